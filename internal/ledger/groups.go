package ledger

import (
	"fmt"
	"slices"
	"strings"
)

// FailureGroup is jobs that failed for the same cause, as far as can be told.
type FailureGroup struct {
	// Failure is that of the first of them.
	Failure Failure `json:"failure"`
	// SeveralFiles tells that others have failed in other Dockerfiles.
	SeveralFiles bool `json:"several_files,omitempty"`
	// Images is for how many images that do not exist they failed; 0 for one or none.
	Images int `json:"images,omitempty"`
	Jobs   int `json:"jobs"`
	// Examples are the names of the first few.
	Examples []string `json:"examples"`
	// LogPath is the log of the first of them that has one.
	LogPath string `json:"log_path,omitempty"`
}

// Common is what all of the group have failed for.
func (g FailureGroup) Common() Failure {
	f := g.Failure
	if g.SeveralFiles {
		f = f.WithoutDir()
	}
	if g.Images > 1 {
		f = f.With(fmt.Sprintf("%d images, such as %s", g.Images, f.Message))
	}
	return f
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

// How many images that do not exist have groups of their own; more have one for all.
const mostImages = 5

// Groups puts failed jobs together that failed for the same cause, those of most
// jobs first.
func Groups(failed []FailedJob) []FailureGroup {
	groups, _ := GroupsWithNames(failed)
	return groups
}

// GroupsWithNames returns the names of each group's jobs, too.
func GroupsWithNames(failed []FailedJob) ([]FailureGroup, [][]string) {
	images := map[string]map[string]bool{} // by kind
	for _, j := range failed {
		kind := j.Failure.Kind()
		if images[kind] == nil {
			images[kind] = map[string]bool{}
		}
		images[kind][j.Failure.Image] = true
	}
	return groupsBy(failed, func(f Failure) string {
		if kind := f.Kind(); len(images[kind]) > mostImages {
			return kind
		}
		return f.Cause()
	})
}

// Together is the group of jobs that failed in the same way, whichever images they lack.
func Together(failed []FailedJob) FailureGroup {
	groups, _ := groupsBy(failed, Failure.Kind)
	return groups[0]
}

// growing is a group as it grows.
type growing struct {
	FailureGroup
	names  []string
	images map[string]bool
}

// groupsBy puts failed jobs together that have the same key. They are named in the order of their
// names, so that each view of a run shows the same one, and its log.
func groupsBy(failed []FailedJob, key func(Failure) string) (groups []FailureGroup, names [][]string) {
	var all []*growing
	by := map[string]*growing{}
	for _, j := range slices.SortedStableFunc(slices.Values(failed), func(a, b FailedJob) int { return strings.Compare(a.Name, b.Name) }) {
		k := key(j.Failure)
		if by[k] == nil {
			by[k] = &growing{FailureGroup: FailureGroup{Failure: j.Failure}, images: map[string]bool{}}
			all = append(all, by[k])
		}
		by[k].add(j)
	}
	slices.SortStableFunc(all, func(a, b *growing) int { return b.Jobs - a.Jobs })
	for _, g := range all {
		groups, names = append(groups, g.FailureGroup), append(names, g.names)
	}
	return groups, names
}

func (g *growing) add(j FailedJob) {
	g.Jobs++
	g.names = append(g.names, j.Name)
	if len(g.Examples) < examplesCount {
		g.Examples = append(g.Examples, j.Name)
	}
	if g.images[j.Failure.Image] = true; len(g.images) > 1 {
		g.Images = len(g.images)
	}
	g.SeveralFiles = g.SeveralFiles || j.Failure.File != "" && j.Failure.File != g.Failure.File
	if g.LogPath == "" {
		g.LogPath = j.LogPath
	}
}
