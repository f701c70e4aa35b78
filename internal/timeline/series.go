package timeline

import (
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// Grid is a run's time cut into equal pieces, by which it is drawn.
type Grid struct {
	Began time.Time
	Step  time.Duration
	// N is how many moments there are: the beginning and the end of each piece.
	N int
}

// Grid cuts the run's time into at most so many pieces, none shorter than a tenth of a
// second.
func (r *Run) Grid(most int) Grid {
	length := max(r.Length(), time.Second)
	step := max(length/time.Duration(most), time.Second/10)
	return Grid{Began: r.Began, Step: step, N: int((length+step-1)/step) + 1}
}

// At is the moment with a number.
func (g Grid) At(i int) time.Duration { return time.Duration(i) * g.Step }

// index is the first moment that is not before a time.
func (g Grid) index(at time.Time) int {
	i := int((at.Sub(g.Began) + g.Step - 1) / g.Step)
	return min(max(i, 0), g.N-1)
}

// Counts are how many jobs had ended at each moment, by how.
type Counts struct{ Built, Skipped, Failed []float64 }

// Counts counts the ends of jobs at the moments of a grid. Those that were skipped since
// others failed count as skipped.
func (r *Run) Counts(g Grid) Counts {
	c := Counts{make([]float64, g.N), make([]float64, g.N), make([]float64, g.N)}
	for _, e := range r.Ends {
		into := c.Failed
		switch {
		case e.Status == ledger.Built:
			into = c.Built
		case strings.HasPrefix(string(e.Status), "skipped"):
			into = c.Skipped
		}
		into[g.index(e.At)]++
	}
	for _, series := range [][]float64{c.Built, c.Skipped, c.Failed} {
		for i := 1; i < g.N; i++ {
			series[i] += series[i-1]
		}
	}
	return c
}

// Space is how full a node was at each moment, in bytes. What was not known is as it was
// last known, and nil before.
type Space struct {
	Bound                         string
	Used, Promised, High          []*int64
	Live, Dead, Foreign, LeftOver []*int64
	// Forecast is what was expected to be used once as many jobs had begun as had by then.
	Forecast []*int64
}

// Space tells how full a node was at the moments of a grid: the most of each piece. What a
// bound is told of is that which was the tightest last.
func (r *Run) Space(node string, g Grid) Space {
	s := Space{}
	for _, series := range s.each() {
		*series = make([]*int64, g.N)
	}
	for _, l := range r.Levels {
		if l.Node == node && l.Bound != "" {
			s.Bound = l.Bound
		}
	}
	for _, l := range r.Levels {
		if l.Node == node {
			s.add(g.index(l.At), l)
		}
	}
	s.expect(r, node, g)
	for _, series := range s.each() {
		for i := 1; i < g.N; i++ {
			if (*series)[i] == nil {
				(*series)[i] = (*series)[i-1]
			}
		}
	}
	return s
}

func (s *Space) each() []*[]*int64 {
	return []*[]*int64{&s.Used, &s.Promised, &s.High, &s.Live, &s.Dead, &s.Foreign, &s.LeftOver, &s.Forecast}
}

// expect lays the forecast of a node, which is by the jobs that begin, over the time that
// they took to.
func (s *Space) expect(r *Run, node string, g Grid) {
	f, known := r.Forecasts[node]
	if !known || f.Bound != s.Bound || f.Jobs == 0 || len(f.Curve) == 0 {
		return
	}
	begun := map[string]bool{}
	for _, span := range r.Spans {
		if span.Node == node && !begun[span.Job] && len(begun) < f.Jobs {
			raise(s.Forecast, g.index(span.From), f.Curve[len(begun)*len(f.Curve)/f.Jobs])
			begun[span.Job] = true
		}
	}
}

// raise has a series have so much at least at a moment.
func raise(series []*int64, i int, v int64) {
	if series[i] == nil || *series[i] < v {
		series[i] = &v
	}
}

func (s *Space) add(i int, l Level) {
	if l.Bound != "" && l.Bound == s.Bound && !l.Unknown {
		raise(s.Used, i, l.UsedBytes)
		raise(s.Promised, i, l.ReservedBytes)
		raise(s.High, i, l.HighBytes)
	}
	if c := l.Cache; c != nil {
		raise(s.Live, i, c.Live)
		raise(s.Dead, i, c.Dead)
		raise(s.Foreign, i, c.Foreign)
		raise(s.LeftOver, i, c.LeftOver)
	}
}
