package report

import (
	"cmp"
	"fmt"
	"math"

	"github.com/stoker-build/stoker/internal/timespan"
	"github.com/stoker-build/stoker/internal/visible"
)

// CompareRow is a line of a table of two runs: texts for people.
type CompareRow struct{ Name, A, B, Change string }

// startFormat is how a start is told.
const startFormat = "2006-01-02 15:04"

// Rows are the figures of both runs beside each other.
func (c Comparison) Rows() (rows []CompareRow) {
	a, b := c.A, c.B
	number := func(name string, a, b int) {
		rows = append(rows, CompareRow{name, fmt.Sprint(a), fmt.Sprint(b), signed(b - a)})
	}
	other := func(name string, a, b int) {
		if a+b > 0 {
			number(name, a, b)
		}
	}
	figure := func(name, textA, textB string, a, b *float64) {
		rows = append(rows, CompareRow{name, textA, textB, percent(a, b)})
	}
	rows = append(rows, CompareRow{Name: "state", A: a.State, B: b.State}, CompareRow{Name: "began (UTC)", A: a.Began(), B: b.Began()})
	number("built", a.Built, b.Built)
	number("skipped", a.Skipped, b.Skipped)
	number("failed", a.Failed, b.Failed)
	other("skipped: built on failed", a.SkippedDependency, b.SkippedDependency)
	other("other", a.Other-a.SkippedDependency, b.Other-b.SkippedDependency)
	other("unfinished", a.Unfinished, b.Unfinished)
	figure("wall clock", timeOr(a.WallClock, unknown), timeOr(b.WallClock, unknown), a.WallClock, b.WallClock)
	figure("images an hour", rate(a.ImagesPerHour), rate(b.ImagesPerHour), a.ImagesPerHour, b.ImagesPerHour)
	figure("median of built", timeOr(a.MedianSeconds, none), timeOr(b.MedianSeconds, none), a.MedianSeconds, b.MedianSeconds)
	figure("to pull, by forecast", a.moved(a.PullBytes), b.moved(b.PullBytes), floating(a.PullBytes), floating(b.PullBytes))
	figure("pulled", a.moved(a.PulledBytes), b.moved(b.PulledBytes), floating(a.PulledBytes), floating(b.PulledBytes))
	figure("reclaimed", a.moved(a.ReclaimedBytes), b.moved(b.ReclaimedBytes), floating(a.ReclaimedBytes), floating(b.ReclaimedBytes))
	peakA, peakB := floating(a.PeakBytes), floating(b.PeakBytes)
	if a.PeakOf != b.PeakOf { // which is told, and makes them two things
		peakB = nil
	}
	figure("peak", a.moved(a.PeakBytes), b.moved(b.PeakBytes), peakA, peakB)
	return rows
}

// Peaks says of what the peaks are; nothing where that is not known.
func (c Comparison) Peaks() string {
	a, b := visible.Line(c.A.PeakOf), visible.Line(c.B.PeakOf)
	switch {
	case a == b && a == "":
		return ""
	case a == b:
		return "the peaks are of " + a
	}
	return fmt.Sprintf("the peak of A is of %s, that of B of %s", cmp.Or(a, unknown), cmp.Or(b, unknown))
}

// PhaseRows are the phases of an image beside each other, and their sum; without those that are hardly there.
func (c Comparison) PhaseRows() (rows []CompareRow) {
	allA, allB := sum(c.Phases, inA), sum(c.Phases, inB)
	row := func(name, textA, textB string, a, b *float64) {
		r := CompareRow{Name: name, A: textA, B: textB}
		if a != nil && b != nil {
			r.Change = signedTime(*b - *a)
		}
		rows = append(rows, r)
	}
	for _, p := range c.Phases {
		if share(p.A, allA) >= smallShare || share(p.B, allB) >= smallShare {
			row(p.Name, withShare(p.A, allA), withShare(p.B, allB), p.A, p.B)
		}
	}
	if len(rows) > 0 {
		row("all", timeOr(allA, unknown), timeOr(allB, unknown), allA, allB)
	}
	return rows
}

// smallShare is the least of an image's time that is worth a line.
const smallShare = 0.01

func inA(p PhaseChange) *float64 { return p.A }
func inB(p PhaseChange) *float64 { return p.B }

// sum is what all phases took of an image in one of the runs; nil where that is not known.
func sum(phases []PhaseChange, of func(PhaseChange) *float64) *float64 {
	all := 0.0
	for _, p := range phases {
		v := of(p)
		if v == nil {
			return nil
		}
		all += *v
	}
	return &all
}

func share(v, of *float64) float64 {
	if v == nil || of == nil || *of <= 0 {
		return 0
	}
	return *v / *of
}

// withShare is a part of an image's time, and how much of it.
func withShare(v, of *float64) string {
	if v == nil {
		return unknown
	}
	return fmt.Sprintf("%s (%.0f%%)", timespan.OfSeconds(*v), share(v, of)*100)
}

// Cause says which phase made the most of a change.
func (c Change) Cause() string {
	if c.Phase == nil {
		return ""
	}
	return c.Phase.Name + " " + signedTime(c.Phase.Change)
}

// By is how much longer the job took.
func (c Change) By() string { return signedTime(c.Change) }

// timeOr is a time, or what stands where there is none.
func timeOr(seconds *float64, other string) string {
	if seconds == nil {
		return other
	}
	return timespan.OfSeconds(*seconds)
}

// Began is when the run began.
func (r Run) Began() string {
	if r.StartedAt.IsZero() {
		return unknown
	}
	return r.StartedAt.UTC().Format(startFormat)
}

// signed is a change of a count; nothing where there is none.
func signed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%+d", n)
}

// signedTime is a change of a time; nothing where it is less than can be told.
func signedTime(seconds float64) string {
	if math.Abs(seconds) < 0.05 {
		return ""
	}
	sign := "+"
	if seconds < 0 {
		sign = "-"
	}
	return sign + timespan.OfSeconds(math.Abs(seconds))
}

func floating(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}
