package ledger

import (
	"fmt"
	"slices"
)

// FailureGroup is jobs that failed for the same cause, as far as can be told.
type FailureGroup struct {
	// Failure is that of the first of them.
	Failure Failure `json:"failure"`
	// SeveralFiles tells that others have failed in other Dockerfiles.
	SeveralFiles bool `json:"several_files,omitempty"`
	Jobs         int  `json:"jobs"`
	// Examples are the names of the first few.
	Examples []string `json:"examples"`
	// LogPath is the log of the first of them that has one.
	LogPath string `json:"log_path,omitempty"`
}

// Common is what all of the group have failed for.
func (g FailureGroup) Common() Failure {
	if g.SeveralFiles {
		return g.Failure.WithoutDir()
	}
	return g.Failure
}

// Names are some of the group's jobs, each as a function writes it, and how many more
// there are.
func (g FailureGroup) Names(write func(string) string) []string {
	var names []string
	for _, name := range g.Examples {
		names = append(names, write(name))
	}
	if more := g.Jobs - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return names
}

// How many jobs a group names.
const examplesCount = 3

// Groups puts failed jobs together that failed for the same cause, those of most
// jobs first.
func Groups(failed []FailedJob) []FailureGroup {
	var out []FailureGroup
	place := map[string]int{}
	for _, j := range failed {
		kind := j.Failure.Kind()
		i, known := place[kind]
		if !known {
			i = len(out)
			place[kind] = i
			out = append(out, FailureGroup{Failure: j.Failure})
		}
		g := &out[i]
		g.Jobs++
		g.SeveralFiles = g.SeveralFiles || j.Failure.File != "" && j.Failure.File != g.Failure.File
		if len(g.Examples) < examplesCount {
			g.Examples = append(g.Examples, j.Name)
		}
		if g.LogPath == "" {
			g.LogPath = j.LogPath
		}
	}
	slices.SortStableFunc(out, func(a, b FailureGroup) int { return b.Jobs - a.Jobs })
	return out
}
