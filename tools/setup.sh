#!/bin/sh
# Installs what tests and demo need and the machine does not have: Debian
# packages (as root, or with sudo), and buildkitd, buildctl and two versions of the
# Dockerfile frontend, which are built from the versions that tools/go.mod and
# tools/dockerfile-1.7/go.mod pin. "setup.sh bench" also builds what only the
# benchmarks need: buildx, from tools/buildx/go.mod. Does nothing the second time.
set -eu
cd "$(dirname "$0")/.."

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

missing=""
need() { # need COMMAND PACKAGE
	PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need runc runc
need busybox busybox-static
need mkfs.ext4 e2fsprogs
need mount mount
need git git
need dockerd docker.io
if [ -n "$missing" ]; then
	echo "installing Debian packages:$missing"
	export DEBIAN_FRONTEND=noninteractive
	as_root apt-get update -qq
	# shellcheck disable=SC2086 # one word for each package
	as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

mkdir -p .tools/bin
stamp=.tools/bin/.built-from
built_from() { cat tools/setup.sh tools/go.mod tools/dockerfile-1.7/go.mod; }
if ! built_from | cmp -s - "$stamp"; then
	echo "building buildkitd, buildctl and two Dockerfile frontends (some minutes, once)"
	export GOFLAGS=-buildvcs=false
	frontend=github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend
	(cd tools && go build -trimpath -o ../.tools/bin/ \
		github.com/moby/buildkit/cmd/buildkitd github.com/moby/buildkit/cmd/buildctl)
	# A frontend is alone in its image, so it must be static.
	(cd tools && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" \
		-o ../.tools/bin/dockerfile-frontend "$frontend")
	(cd tools/dockerfile-1.7 && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" \
		-o ../../.tools/bin/dockerfile-frontend-1.7 "$frontend")
	built_from >"$stamp"
fi

if [ "${1:-}" = bench ] && ! cmp -s tools/buildx/go.mod .tools/bin/.buildx-built-from; then
	echo "building buildx (some minutes, once)"
	(cd tools/buildx && GOFLAGS=-buildvcs=false go build -trimpath -o ../../.tools/bin/ \
		github.com/docker/buildx/cmd/buildx)
	cp tools/buildx/go.mod .tools/bin/.buildx-built-from
fi
