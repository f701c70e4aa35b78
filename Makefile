# The targets a person needs. "make setup" is part of those that need it.
GO ?= go
# With the same flags for all, what one command has compiled is not compiled anew by the next.
# Without what a debugger would read, which takes a third of the time to link.
export GOFLAGS ?= -buildvcs=false -trimpath -ldflags=-w
# The frontends are alone in their images, so they cannot be linked with the system's C library; with none
# linked so, what they have in common with all the rest is compiled once. Looking for races needs C.
export CGO_ENABLED ?= 0
# What "stoker version" tells, as far as this is a clone.
COMMIT = $(shell git describe --always --abbrev=40 --dirty --exclude '*' 2>/dev/null)

# Where "make registry" listens.
ADDRESS ?= 127.0.0.1:5000

.PHONY: help build registry registry-stop setup demo soak test test-long fuzz lint bench docs release-check

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## stoker, and the buildkitd and buildctl that it finds beside it, in bin/; runc where it is missing
	./tools/setup.sh build
	$(GO) build -trimpath -ldflags "-X main.commit=$(COMMIT)" -o bin/stoker ./cmd/stoker
	ln -f .tools/bin/buildkitd .tools/bin/buildctl bin/ 2>/dev/null || cp -f .tools/bin/buildkitd .tools/bin/buildctl bin/

registry: ## a registry with four small base images, in the background
	@./tools/setup.sh registry
	@$(GO) build -trimpath -o .tools/bin/registry ./internal/lab/registry
	@.tools/bin/registry -address $(ADDRESS) start

registry-stop: ## end that registry; what was pushed to it is gone
	@.tools/bin/registry stop

setup: ## Debian packages and the BuildKit that tests and demo run against
	./tools/setup.sh

demo: setup build ## 60 images on a private buildkitd and a registry of its own
	$(GO) build -o .tools/bin/demo ./internal/lab/demo
	.tools/bin/demo -stoker bin/stoker

soak: setup build ## hundreds of images, on one daemon and on two, while daemons, registry, disk and stoker itself fail
	$(GO) build -o .tools/bin/soak ./internal/lab/soak
	.tools/bin/soak -stoker bin/stoker
	.tools/bin/soak -stoker bin/stoker -nodes 2

# Looking for races takes half as long again, and finds none where a test mostly waits for daemons. So it is
# for the packages in which code runs side by side, and for those tests of the whole program in which much
# happens at once.
BESIDE = $(addprefix ./internal/,autolink cache credentials every journal ledger live metrics node postbuild process \
	recovery registry run show space stepbook sweep telemetry throttle)
RACES = FailuresAreIsolated|Interrupt|FirstBuildsStartBeforeAllIsKnown|TwoNodes|NodeThatDies|ThrottledRegistry|DaemonIsLost

# What takes long: of the whole program faults of all kinds, docker's builders, images that must be equal; other
# packages that build for minutes. "make test" is all else, so that it ends in ten minutes.
LONG = AutoLinkMakesTheSameImages|BakeFromElsewhere|BakePrivate|BasesOfTheSameDaemon|CacheBudget|$\
	CredentialHelperHangs|DaemonIsLostBeforeTheLastSweep|DamagedCache|DamagedDatabase|DescriptionFreesNothing|$\
	DiskFilledByOthers|DiskFillsUp|DiskTooSmallForOneImage|DockerContainer|DockersOwnBuilder|EndedAtOnce|$\
	HalfPulledLayers|InterruptedWhileADaemonStandsStill|KilledRunIsSweptByTheNext|LeftOver|OneArgument|$\
	OtherCompression|PagesOfARun|PrivateDaemonIsLost|ReaderThatStops|RegistryAuth|RegistryFaults|SharedPrefix|SourcesOfTheirOwn|$\
	StrangersWithTheSameText|SyntaxLineOnPrivateBuilder|TwoRunsInOneDirectory|UnseenDisk
LONGER = $(addprefix ./internal/,docstest lab/soak page/browsertest release)

# Memory is there: tests, and the daemons that they start, collect their garbage a quarter as often.
test test-long: export GOGC ?= 400
# What a test lacks is a failure, and not a reason to leave it out.
GO_TEST = STOKER_TEST_ALL=1 $(GO) test -vet off -timeout 20m

# One part after the other, and the compiling first: a machine with more to do than it can runs into limits of
# time that are not the tests' own.
test: setup build ## all tests against real parts, but those of test-long: ten minutes
	./tools/setup.sh bench
	$(GO) vet ./...
	cd tools/portable && $(GO) run . darwin/arm64 windows/amd64
	CGO_ENABLED=1 $(GO_TEST) -p 2 -race $(BESIDE)
	$(GO_TEST) -p 2 -parallel 4 -skip '^Test($(RACES)|$(LONG))$$' $$($(GO) list ./... | grep -vxF "$$($(GO) list $(BESIDE) $(LONGER))")

test-long: setup build ## all other tests: ten minutes more
	./tools/setup.sh bench
	CGO_ENABLED=1 $(GO_TEST) -parallel 4 -race -run '^Test($(RACES))$$' ./internal/cli
	$(GO_TEST) -parallel 4 -run '^Test($(LONG))$$' ./internal/cli
	$(GO_TEST) -p 2 $(LONGER)

fuzz: ## every fuzz target for ten seconds, which compiles everything anew; "make test" runs them over their seeds
	./tools/fuzz.sh 10s

lint: ## golangci-lint and deadcode, built from the pinned versions
	./tools/lint.sh

bench: setup build ## Stoker beside other ways to do the same job
	./tools/setup.sh bench
	$(GO) run ./bench -stoker bin/stoker -out bench/out

docs: setup build ## the pictures in docs/pictures, from real runs: a quarter of an hour
	$(GO) build -o .tools/bin/screens ./internal/lab/screens
	.tools/bin/screens -stoker bin/stoker -out docs/pictures
	$(GO) run ./bench -stoker bin/stoker -out bench/out -only disk
	cp bench/out/disk.svg docs/pictures/disk.svg

release-check: ## a release for all systems, made and installed here, published nowhere
	./tools/release.sh
