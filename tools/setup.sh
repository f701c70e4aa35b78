#!/bin/sh
# Installs what the machine does not have: Debian packages (as root, or with sudo), and programs
# that are built from pinned versions into .tools/bin. Does nothing the second time.
#
#   setup.sh build      what stoker runs: buildkitd and buildctl (tools/go.mod), runc
#   setup.sh registry   what the registry of "make registry" needs
#   setup.sh            all of it, and what tests and the demo need: two versions of the
#                       Dockerfile frontend (tools/go.mod, tools/dockerfile-1.7/go.mod),
#                       a browser and axe-core
#   setup.sh bench      all of it, and what the benchmarks and the tests of bake are compared
#                       with: buildx (tools/buildx/go.mod)
set -eu
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:--buildvcs=false}"
what="${1:-all}"

missing=""
need() { # need COMMAND PACKAGE
	PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_missing() {
	if [ -z "$missing" ]; then return; fi
	echo "installing Debian packages:$missing"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # one word for each package
	as_root apt-get update -qq &&
		as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

need_to_run() {
	need runc runc
	if [ "$(id -u)" -ne 0 ]; then
		need rootlesskit rootlesskit
		need newuidmap uidmap
	fi
}

need_to_test() {
	need busybox busybox-static
	need mkfs.ext4 e2fsprogs
	need mount mount
	need git git
	need dockerd docker.io
	need chromium chromium
	need npm npm
}

# build_once NAME VERSIONS COMMAND...: runs a command that makes programs of what the file
# VERSIONS pins, unless it has been done.
build_once() {
	name=$1 versions=$2
	shift 2
	if cmp -s "$versions" ".tools/bin/.$name-built-from"; then return; fi
	mkdir -p .tools/bin
	echo "building $name (some minutes, once)"
	"$@"
	cp "$versions" ".tools/bin/.$name-built-from"
}

buildkit() {
	(cd tools && go build -trimpath -o ../.tools/bin/ \
		github.com/moby/buildkit/cmd/buildkitd github.com/moby/buildkit/cmd/buildctl)
}

# A frontend is alone in its image, so it must be static.
frontend() { # frontend DIR PROGRAM
	(cd "$1" && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$OLDPWD/.tools/bin/$2" \
		github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend)
}

buildx() {
	(cd tools/buildx && go build -trimpath -o ../../.tools/bin/ github.com/docker/buildx/cmd/buildx)
}

# What looks for faults in pages that keep people out.
axe_version=4.14.1
axe_sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c

axe() {
	if echo "$axe_sum  .tools/axe.min.js" | sha256sum --check --status 2>/dev/null; then return; fi
	echo "fetching axe-core $axe_version"
	mkdir -p .tools/axe
	(cd .tools/axe && npm pack --silent "axe-core@$axe_version" >/dev/null && tar -xzf "axe-core-$axe_version.tgz")
	echo "$axe_sum  .tools/axe/package/axe.min.js" | sha256sum --check --quiet
	mv .tools/axe/package/axe.min.js .tools/axe.min.js
	rm -r .tools/axe
}

case "$what" in
build)
	# Who builds elsewhere needs nothing of the machine: stoker itself says what it lacks.
	need_to_run
	install_missing || echo "could not install$missing: builds on this machine will need it" >&2
	build_once buildkit tools/go.mod buildkit
	;;
registry)
	need busybox busybox-static
	install_missing
	;;
all | bench)
	need_to_run
	need_to_test
	install_missing
	build_once buildkit tools/go.mod buildkit
	build_once frontend tools/go.mod frontend tools dockerfile-frontend
	build_once frontend-1.7 tools/dockerfile-1.7/go.mod frontend tools/dockerfile-1.7 dockerfile-frontend-1.7
	axe
	if [ "$what" = bench ]; then build_once buildx tools/buildx/go.mod buildx; fi
	;;
*)
	echo "usage: $0 [build|registry|bench]" >&2
	exit 2
	;;
esac
