package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/stoker-build/stoker/internal/ledger"
)

// BuiltInBoth are the jobs that two runs have built.
type BuiltInBoth struct {
	Jobs int `json:"jobs"`
	// Slower and Faster are those that took longer in B, and less long; the others took
	// about the same time.
	Slower int `json:"slower"`
	Faster int `json:"faster"`
	Same   int `json:"same"`
	// A and B are the seconds that all of them took.
	A float64 `json:"a_seconds"`
	B float64 `json:"b_seconds"`
	// Changed are those that got slower or faster by the most seconds, these first.
	Changed []Change `json:"changed_most"`
}

// Change is a job that took more or less time in B than in A.
type Change struct {
	Name   string  `json:"name"`
	A      float64 `json:"a_seconds"`
	B      float64 `json:"b_seconds"`
	Change float64 `json:"change_seconds"`
	// Phase is the one that made the most of it, by so many seconds; nil where that is
	// not known.
	Phase *PhaseShift `json:"phase"`
}

// PhaseShift is how much longer a phase took, in seconds.
type PhaseShift struct {
	Key    string  `json:"phase"`
	Name   string  `json:"-"`
	Change float64 `json:"change_seconds"`
}

// A job took about the same time where the difference is less than either of these: builds
// of the same vary by as much.
const (
	sameSeconds = 0.5
	sameShare   = 0.1 // of the longer time
)

// shownChanges is how many jobs are named that changed most.
const shownChanges = 10

// builtInBoth tells what became of the jobs that both runs have built.
func builtInBoth(pairs []jobPair) BuiltInBoth {
	built := BuiltInBoth{Changed: []Change{}}
	for _, p := range pairs {
		if p.a == nil || p.b == nil || p.a.Status != ledger.Built || p.b.Status != ledger.Built {
			continue
		}
		built.Jobs++
		built.A += p.a.DurationSeconds
		built.B += p.b.DurationSeconds
		c := changeOf(p)
		switch least := max(sameSeconds, sameShare*max(c.A, c.B)); {
		case math.Abs(c.Change) < least:
			built.Same++
			continue
		case c.Change > 0:
			built.Slower++
		default:
			built.Faster++
		}
		built.Changed = append(built.Changed, c)
	}
	built.A, built.B = ledger.Thousandths(built.A), ledger.Thousandths(built.B)
	slices.SortFunc(built.Changed, func(x, y Change) int {
		return cmp.Or(cmp.Compare(math.Abs(y.Change), math.Abs(x.Change)), cmp.Compare(x.Name, y.Name))
	})
	built.Changed = built.Changed[:min(len(built.Changed), shownChanges)]
	return built
}

func changeOf(p jobPair) Change {
	c := Change{Name: p.name, A: p.a.DurationSeconds, B: p.b.DurationSeconds}
	c.Change = ledger.Thousandths(c.B - c.A)
	c.Phase = shiftOf(p.a.Phases, p.b.Phases, c.Change)
	return c
}

// shiftOf is the phase that made the most of a change: of those that changed the same way.
func shiftOf(a, b *ledger.Phases, change float64) (most *PhaseShift) {
	if a == nil || b == nil {
		return nil
	}
	before := a.Each()
	for i, phase := range b.Each() {
		d := ledger.Thousandths(phase.Seconds - before[i].Seconds)
		if d*change > 0 && (most == nil || math.Abs(d) > math.Abs(most.Change)) {
			most = &PhaseShift{phase.Key, phase.Name, d}
		}
	}
	return most
}
