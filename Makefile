# The targets a person needs. "make setup" is part of those that need it.
GO ?= go
export GOFLAGS ?= -buildvcs=false

.PHONY: build setup demo test lint bench

build: ## the program, as bin/stoker
	$(GO) build -trimpath -o bin/stoker ./cmd/stoker

setup: ## Debian packages and the BuildKit that tests and demo run against
	./tools/setup.sh

demo: setup build ## 60 images on a private buildkitd and a registry of its own
	$(GO) build -o .tools/bin/demo ./internal/lab/demo
	.tools/bin/demo -stoker bin/stoker

test: setup build ## everything, against real parts
	$(GO) vet ./...
	$(GO) test -race -timeout 20m ./...

lint: ## golangci-lint, built from the pinned version
	./tools/lint.sh

bench: setup build ## Stoker beside other ways to do the same job
	$(GO) run ./bench -stoker bin/stoker -out bench/out
