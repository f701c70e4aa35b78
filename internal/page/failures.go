package page

import (
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// How much of failures the page shows.
const (
	shownFailures = 30
	openFailures  = 3
	shownTail     = 20
)

// failures are the reasons for which jobs have failed, those of most jobs first, as a table
// that its ID tells from others.
type failures struct {
	ID, Title string
	Reasons   []failure
	// More is how many are not told.
	More int
}

// failure is a reason for which jobs have failed.
type failure struct {
	Reason, Step, Log string
	Count             int
	Jobs              string
	Tail              []string
	// Open has its last lines shown from the start.
	Open bool
}

// Failures are those of all jobs; nil where none has failed.
func (v view) Failures() *failures {
	if len(v.Report.FailureGroups) == 0 {
		return nil
	}
	return new(v.failuresOf("reasons", "What failed, and why", v.Report.FailureGroups))
}

func (v view) failuresOf(id, title string, groups []ledger.FailureGroup) failures {
	all := failures{ID: id, Title: title, More: max(len(groups)-shownFailures, 0)}
	for i, g := range groups[:min(len(groups), shownFailures)] {
		common := g.Common()
		f := failure{Reason: visible.Text(common.Reason()), Step: visible.Line(common.Step), Log: visible.Line(g.LogPath), Count: g.Jobs, Open: i < openFailures}
		f.Jobs = strings.Join(g.Names(visible.Line), ", ")
		tail := common.Output
		if len(tail) == 0 && v.Tail != nil && g.LogPath != "" {
			tail = v.Tail(g.LogPath)
		}
		for _, line := range tail[max(len(tail)-shownTail, 0):] {
			f.Tail = append(f.Tail, visible.Text(line))
		}
		all.Reasons = append(all.Reasons, f)
	}
	return all
}
