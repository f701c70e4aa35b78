package buildkitd

import (
	"cmp"
	"slices"
	"strings"
)

// How buildkitd (v0.34) says that it could not use runc.
const noWorker = "no worker found, rebuild the buildkit daemon?"

// lastWords returns what a daemon that ended says in its own name, before any
// trace, else the end of its log.
func lastWords(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.Contains(line, noWorker) {
			return "it has no worker: runc does not work, or its configuration turns [worker.oci] off"
		}
		if strings.HasPrefix(line, "buildkitd: ") {
			return line
		}
	}
	return cmp.Or(lines[len(lines)-1], "it has said nothing")
}
