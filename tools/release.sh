#!/bin/sh
# Checks all that a release is made of, as far as that goes without publishing:
# the workflows, the configuration, a snapshot for all systems, which compiles
# each, and the installation of what came of it. The tools are built the first
# time, from the versions that tools/*/go.mod pin.
set -eu
cd "$(dirname "$0")/.."
export GOFLAGS=-buildvcs=false

tool() { # tool NAME PACKAGE
	mkdir -p .tools/bin
	if ! cmp -s "tools/$1/go.mod" ".tools/bin/.$1-built-from" || [ ! -x ".tools/bin/$1" ]; then
		echo "building $1 (some minutes, once)"
		(cd "tools/$1" && go build -trimpath -o "../../.tools/bin/$1" "$2")
		cp "tools/$1/go.mod" ".tools/bin/.$1-built-from"
	fi
}
tool actionlint github.com/rhysd/actionlint/cmd/actionlint
tool goreleaser github.com/goreleaser/goreleaser/v2

.tools/bin/actionlint
.tools/bin/goreleaser check
.tools/bin/goreleaser release --snapshot --clean --skip=publish,sbom

# install.sh takes the archive of this machine from where a release would have it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/latest"
ln -s "$PWD/dist" "$work/latest/download"
STOKER_RELEASES="file://$work" ./install.sh latest "$work/bin"
"$work/bin/stoker" --version
for archive in dist/*.tar.gz; do
	for file in LICENSE README.md completions/_stoker completions/stoker.bash completions/stoker.fish man/stoker.1; do
		tar -tzf "$archive" | grep -qx "$file" || {
			echo "$archive has no $file" >&2
			exit 1
		}
	done
done
