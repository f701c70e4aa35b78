#!/bin/sh
# Installs what tests and demo need and the machine does not have: Debian
# packages (as root, or with sudo), and buildkitd and buildctl, which are built
# from the versions that tools/go.mod pins. Does nothing the second time.
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
if ! cmp -s tools/go.mod "$stamp"; then
	echo "building buildkitd and buildctl (a minute or two, once)"
	(cd tools && GOFLAGS=-buildvcs=false go build -trimpath -o ../.tools/bin/ \
		github.com/moby/buildkit/cmd/buildkitd github.com/moby/buildkit/cmd/buildctl)
	cp tools/go.mod "$stamp"
fi
