package ledger

import (
	"fmt"
	"slices"

	"github.com/stoker-build/stoker/internal/visible"
)

// FailedDependency is a failed job on which others would have been built, which were
// skipped.
type FailedDependency struct {
	Name string `json:"name"`
	// Jobs is how many were skipped, and Examples the names of the first few.
	Jobs     int      `json:"jobs"`
	Examples []string `json:"examples"`
}

// Dependants are the jobs that were skipped since others have failed, by these.
type Dependants []FailedDependency

// Add adds a job that has ended so.
func (d *Dependants) Add(e Entry) {
	i := slices.IndexFunc(*d, func(f FailedDependency) bool { return f.Name == e.FailedDependency })
	if i < 0 {
		i = len(*d)
		*d = append(*d, FailedDependency{Name: e.FailedDependency})
	}
	f := &(*d)[i]
	if f.Jobs++; f.Jobs <= examplesCount {
		f.Examples = append(f.Examples, e.Name)
	}
}

// Jobs is how many there are.
func (d Dependants) Jobs() (n int) {
	for _, f := range d {
		n += f.Jobs
	}
	return n
}

// String says how many there are, and why; empty for none.
func (d Dependants) String() string {
	if len(d) == 0 {
		return ""
	}
	return fmt.Sprintf("%d skipped: built on %s, which failed", d.Jobs(), d.names())
}

func (d Dependants) names() string {
	first := visible.Line(d[0].Name)
	switch len(d) {
	case 1:
		return first
	case 2:
		return first + " and " + visible.Line(d[1].Name)
	}
	return fmt.Sprintf("%s and %d others", first, len(d)-1)
}
