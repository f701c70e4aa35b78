#!/bin/sh
# Runs every fuzz target for a moment, to find what a few seconds can find:
# tools/fuzz.sh [TIME], by default 3s for each.
set -eu
cd "$(dirname "$0")/.."
time=${1:-3s}

grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z]*' internal | while IFS=: read -r file _ func; do
	# Minimising what is only interesting could take a minute for each input.
	go test -run '^$' -fuzz "^${func#func }\$" -fuzztime "$time" -fuzzminimizetime 10x "./$(dirname "$file")" >.tools/fuzz.log 2>&1 || {
		cat .tools/fuzz.log
		exit 1
	}
	echo "fuzz ok  $(dirname "$file") ${func#func }"
done
