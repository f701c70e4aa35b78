package page

import (
	"cmp"
	"slices"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/visible"
)

// slow is one of the slowest jobs.
type slow struct {
	Name    string
	Run     string // where there are several
	Seconds float64
	// Most is the longest of its parts.
	Most  part
	Parts []share
}

// Slowest are the built jobs that took longest.
func (v view) Slowest() (all []slow) {
	sorted := slices.DeleteFunc(slices.Clone(v.Report.Jobs), func(j report.Job) bool { return j.Status != ledger.Built })
	slices.SortStableFunc(sorted, func(a, b report.Job) int { return cmp.Compare(b.DurationSeconds, a.DurationSeconds) })
	for _, j := range sorted {
		if len(all) == shownSlowest || j.DurationSeconds <= 0 {
			break
		}
		s := slow{Name: visible.Line(j.Name), Seconds: j.DurationSeconds}
		if len(v.Report.Runs) > 1 {
			s.Run = visible.Line(j.Run)
		}
		if j.Phases != nil {
			s.Parts = sharesOf(partsOf(j.Phases.Each()), sorted[0].DurationSeconds)
			for _, p := range s.Parts {
				if p.Seconds > s.Most.Seconds {
					s.Most = p.part
				}
			}
		}
		all = append(all, s)
	}
	return all
}
