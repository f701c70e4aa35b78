package page

import (
	"slices"

	"github.com/go-analyze/charts"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/timeline"
	"github.com/stoker-build/stoker/internal/visible"
)

// compared is two runs beside each other.
type compared struct {
	report.Comparison
	Rows, PhaseRows []report.CompareRow
	// PhasesA and PhasesB are drawn to the same scale.
	PhasesA, PhasesB []share
	// Fates is how many of the jobs that both have built changed in which way.
	Fates []fate
	// Pace is nil where it is not known when the jobs ended.
	Pace *chart
	Once []failedOnce
}

// changed is a job that changed much.
type changed struct {
	report.Change
	By, Cause, Way string
}

// fate is what became of some jobs.
type fate struct {
	Class, Name string
	Jobs        int
	Percent     float64
}

// failedOnce are the failures of one run alone.
type failedOnce struct {
	failures
	Jobs int
}

// Compared sets the two runs beside each other; nil where there are no two to compare.
func (v view) Compared() *compared {
	if v.Comparison == nil {
		return nil
	}
	c := &compared{Comparison: *v.Comparison, Rows: v.Comparison.Rows(), PhaseRows: v.Comparison.PhaseRows(), Pace: v.pace()}
	c.A.Dir, c.B.Dir = visible.Line(c.A.Dir), visible.Line(c.B.Dir)
	a := partsOf(phasesOf(c.Phases, func(p report.PhaseChange) *float64 { return p.A }))
	b := partsOf(phasesOf(c.Phases, func(p report.PhaseChange) *float64 { return p.B }))
	longest := max(secondsOf(a), secondsOf(b))
	c.PhasesA, c.PhasesB = sharesOf(a, longest), sharesOf(b, longest)
	c.Fates = fates(c.Built)
	for _, one := range []struct {
		id, title string
		jobs      []report.FailedOnce
	}{{"reasons-a", "Failed in A alone", c.FailedA}, {"reasons-b", "Failed in B alone", c.FailedB}} {
		if len(one.jobs) > 0 {
			c.Once = append(c.Once, failedOnce{v.failuresOf(one.id, one.title, report.FailureGroups(one.jobs)), len(one.jobs)})
		}
	}
	return c
}

// Changes are the jobs that changed most.
func (c compared) Changes() (all []changed) {
	for _, j := range c.Built.Changed {
		one := changed{j, j.By(), j.Cause(), "faster"}
		one.Name = visible.Line(j.Name)
		if j.Change > 0 {
			one.Way = "slower"
		}
		all = append(all, one)
	}
	return all
}

// Common says how many jobs the runs have in common.
func (c compared) Common() string { return capital(c.Comparison.Common()) }

// Times says what the jobs took that both have built.
func (c compared) Times() string { return c.Built.Times() }

// Peaks says of what the most was used.
func (c compared) Peaks() string { return capital(c.Comparison.Peaks()) }

// AllPhases are the kinds of phases that either run has, for the legend.
func (c compared) AllPhases() (all []part) {
	for _, s := range slices.Concat(c.PhasesA, c.PhasesB) {
		if !slices.ContainsFunc(all, func(p part) bool { return p.Class == s.Class }) {
			all = append(all, s.part)
		}
	}
	return all
}

func phasesOf(changes []report.PhaseChange, of func(report.PhaseChange) *float64) (all []ledger.Phase) {
	for _, c := range changes {
		if v := of(c); v != nil {
			all = append(all, ledger.Phase{Key: c.Key, Name: c.Name, Seconds: *v})
		}
	}
	return all
}

// fates tells how the jobs that both runs have built changed; nothing where there are none.
func fates(b report.BuiltInBoth) (all []fate) {
	for _, f := range []fate{{Class: failedClass, Name: "slower", Jobs: b.Slower}, {Class: "skipped", Name: "about the same", Jobs: b.Same}, {Class: "built", Name: "faster", Jobs: b.Faster}} {
		if f.Jobs > 0 {
			f.Percent = 100 * float64(f.Jobs) / float64(b.Jobs)
			all = append(all, f)
		}
	}
	return all
}

// pace is how many images each run had built, so long after its start.
func (v view) pace() *chart {
	a, b := v.run(v.Comparison.A.Dir), v.run(v.Comparison.B.Dir)
	if a == nil || b == nil {
		return nil
	}
	axis := axisOf(a)
	if b.Length() > a.Length() {
		axis = axisOf(b)
	}
	both := axis.over(chart{
		Title: "Images built over time", format: whole,
		Note:  "How many images each run had built, so long after it began.",
		lines: []line{{"A", aColour, builtBy(a, axis.Grid)}, {"B", bColour, builtBy(b, axis.Grid)}},
	})
	return &both
}

// run is one of the runs, if it is known what it did over time.
func (v view) run(dir string) *timeline.Run {
	for _, r := range v.Runs {
		if r.Dir == dir && r.Run != nil && !r.Began.IsZero() {
			return r.Run
		}
	}
	return nil
}

// builtBy is how many images a run had built at the moments of another one's grid, as long as
// it went on.
func builtBy(r *timeline.Run, g timeline.Grid) []float64 {
	g.Began = r.Began
	built := r.Counts(g).Built
	for i := range built {
		if i > 0 && g.At(i-1) > r.Length() {
			built[i] = charts.GetNullValue()
		}
	}
	return built
}
