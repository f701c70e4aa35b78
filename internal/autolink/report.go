package autolink

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/plural"
)

// report counts jobs of which the same is said. Its methods may be called concurrently.
type report struct {
	mu  sync.Mutex // guards all
	all map[Step]int
}

func (r *report) add(s Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[Step]int{}
	}
	r.all[s]++
}

func (r *report) job(why string) { r.add(Step{Why: why}) }

func (r *report) step(d *link.Dockerfile, line int, why string) {
	r.add(Step{Text: d.Text(line), Line: line, Why: why})
}

// copies says the same of all steps of a Dockerfile that copy.
func (r *report) copies(d *link.Dockerfile, why string) {
	for _, line := range d.Copies() {
		r.step(d, line, why)
	}
}

// kept tells of the steps of a job of which none can be linked, for one of its platforms.
func (r *report) kept(s *subject) {
	for _, c := range s.chains {
		for _, step := range c.Steps {
			if step.IsCopy() && step.Line > 0 && step.Keeps != "" {
				r.step(s.dockerfile, step.Line, step.Keeps)
			}
		}
		return
	}
}

// steps are sorted: those that are linked first, then by how many jobs it is about.
func (r *report) steps() []Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	var steps []Step
	for s, n := range r.all {
		s.Jobs = n
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(min(len(a.Why), 1), min(len(b.Why), 1)), b.Jobs-a.Jobs, a.Line-b.Line, cmp.Compare(a.Text, b.Text), cmp.Compare(a.Why, b.Why))
	})
	return steps
}

// String says it in a line.
func (s Step) String() string {
	jobs := plural.Of(s.Jobs, "job")
	switch {
	case s.Text == "":
		return fmt.Sprintf("not linked in %s: %s", jobs, s.Why)
	case s.Why != "":
		return fmt.Sprintf("line %d is not linked in %s: %s: %s", s.Line, jobs, s.Text, s.Why)
	}
	return fmt.Sprintf("line %d is linked in %s: %s", s.Line, jobs, s.Text)
}
