#!/bin/sh
# Runs golangci-lint and deadcode over the repository, in the versions that
# tools/lint/go.mod and tools/deadcode/go.mod pin; they are built the first time.
# Arguments are passed on to golangci-lint, for example --fix.
set -eu
cd "$(dirname "$0")/.."

build() { # build DIR PROGRAM PACKAGE
	stamp=.tools/bin/.$1-built-from
	if cmp -s "tools/$1/go.mod" "$stamp" && [ -x ".tools/bin/$2" ]; then return; fi
	mkdir -p .tools/bin
	echo "building $2 (once; golangci-lint takes some minutes)"
	(cd "tools/$1" && GOFLAGS=-buildvcs=false go build -trimpath -o "../../.tools/bin/$2" "$3")
	cp "tools/$1/go.mod" "$stamp"
}
build lint golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
build deadcode deadcode golang.org/x/tools/cmd/deadcode

.tools/bin/golangci-lint run --allow-parallel-runners "$@" ./...

# What no program reaches is dead, also where a test does. The lab, the
# builder in memory and linktest are made for tests.
found=$(.tools/bin/deadcode ./...)
if echo "$found" | grep -v -e '^internal/lab/' -e '^internal/node/nodetest/' -e '^internal/link/linktest/' | grep .; then exit 1; fi
