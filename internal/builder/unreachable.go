package builder

import (
	"runtime"
	"slices"
	"strings"
)

// UnreachableError says that no builder could be reached, and what was tried.
type UnreachableError struct {
	Tried []string
	// Asked is how the one builder was asked for that was tried, such as
	// --builder; empty where Stoker looked for one.
	Asked string
	// Busy tells that the private builder is another run's now.
	Busy bool
	// Remedies are lines that say what gets the parts of a private builder that are
	// missing.
	Remedies []string
}

func (e *UnreachableError) Error() string {
	text := "no BuildKit builder could be reached. Tried:\n  " + strings.Join(e.Tried, "\n  ")
	switch {
	case e.Busy: // what to do stands there
		return text
	case e.Asked != "":
		return text + "\nStart that builder or name another (\"docker buildx ls\" lists those of buildx), or leave " + e.Asked + "\n" +
			"away: Stoker then looks for one, or starts one of its own."
	}
	return text + "\n" + strings.Join(slices.Concat(e.Remedies, waysToGet(runtime.GOOS)), "\n")
}

// waysToGet are what a person can do on an operating system to get a builder other
// than a private one.
func waysToGet(system string) []string {
	if system != "linux" {
		return []string{"To get one, do one of these:",
			"  start docker, such as Docker Desktop: stoker then builds with its current builder",
			"  --builder ADDRESS of a buildkitd on a Linux machine, such as tcp://builder.example:1234 or ssh://builder.example"}
	}
	return []string{"To use a builder that is there:",
		"  docker buildx create --use",
		"  --builder ADDRESS of a running buildkitd, such as unix:///run/buildkit/buildkitd.sock"}
}
