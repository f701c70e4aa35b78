#!/bin/sh
# Runs golangci-lint over the repository, in the version that tools/lint/go.mod
# pins; it is built the first time. Arguments are passed on, for example --fix.
set -eu
cd "$(dirname "$0")/.."

mkdir -p .tools/bin
stamp=.tools/bin/.lint-built-from
if ! cmp -s tools/lint/go.mod "$stamp" || [ ! -x .tools/bin/golangci-lint ]; then
	echo "building golangci-lint (some minutes, once)"
	(cd tools/lint && GOFLAGS=-buildvcs=false go build -trimpath -o ../../.tools/bin/golangci-lint \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
	cp tools/lint/go.mod "$stamp"
fi
exec .tools/bin/golangci-lint run "$@" ./...
