#!/bin/sh
# Installs a release of Stoker, for Linux, macOS and Windows (in Git Bash):
#
#   install.sh [VERSION [DIR]]
#
# VERSION is such as v1.2.3, by default the latest; DIR is by default ~/.local/bin.
# Nothing is installed whose checksum is not that of the release.
set -eu

version=${1:-latest}
dir=${2:-$HOME/.local/bin}
releases=${STOKER_RELEASES:-https://github.com/stoker-build/stoker/releases}

fail() {
	echo "install.sh: $*" >&2
	exit 1
}

program=stoker
case $(uname -s) in
Linux) os=linux ;;
Darwin) os=darwin ;;
MINGW* | MSYS* | CYGWIN*) os=windows program=stoker.exe ;;
*) fail "there is no release for $(uname -s): build from source, see docs/install.md" ;;
esac
# GitHub tells the machine's architecture better than an emulated shell does.
case ${RUNNER_ARCH:-$(uname -m)} in
X64 | x86_64 | amd64) arch=amd64 ;;
ARM64 | aarch64 | arm64) arch=arm64 ;;
*) fail "there is no release for ${RUNNER_ARCH:-$(uname -m)}: build from source, see docs/install.md" ;;
esac
case $version in
latest) from=$releases/latest/download ;;
*) from=$releases/download/v${version#v} ;;
esac
archive=stoker_${os}_$arch.tar.gz

sha256() {
	if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

download() {
	curl -fsSL --retry 3 --connect-timeout 20 --max-time 600 -o "$1" "$from/$1" || fail "could not download $from/$1"
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
download checksums.txt
download "$archive"
want=$(awk -v name="$archive" '$2 == name { print $1 }' checksums.txt)
got=$(sha256 "$archive")
[ -n "$want" ] || fail "checksums.txt of $version does not have $archive"
[ "$want" = "$got" ] || fail "$archive is damaged: its SHA-256 is $got, and the release says $want"
tar -xzf "$archive" "$program"
chmod 755 "$program"
mv -f "$program" "$dir/$program"
echo "installed $dir/$program"
