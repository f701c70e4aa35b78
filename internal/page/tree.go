package page

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// mostBranches is how much of the shared graph is drawn.
const mostBranches = 300

// branch is a step of the shared graph and what stands upon it. A step that several are
// made into stands below the first of those that it is made from.
type branch struct {
	// Key tells it from others.
	Key  string
	Text string
	// Place is where the Dockerfile has it.
	Place string
	Base  bool
	Jobs  int
	// Ran says how often it was run; empty for what is only fetched, as base images and contexts.
	Ran   string
	Bytes *int64
	On    []branch
}

// tree draws what jobs share: the steps that several have, those of most first.
func tree(steps []ledger.Step) []branch {
	children := map[string][]int{}
	var roots []int
	known := map[string]bool{}
	for i, s := range steps {
		known[s.ID] = true
		if len(s.On) > 0 && known[s.On[0]] {
			children[s.On[0]] = append(children[s.On[0]], i)
		} else {
			roots = append(roots, i)
		}
	}
	left := mostBranches
	var grow func(at []int) []branch
	grow = func(at []int) (all []branch) {
		slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(steps[b].Jobs, steps[a].Jobs) })
		for _, i := range at {
			s := steps[i]
			if s.Jobs < 2 || left == 0 {
				break
			}
			left--
			b := branch{Key: s.ID, Jobs: s.Jobs, Bytes: s.Bytes, Base: s.Kind == ledger.StepBase}
			if s.Kind == ledger.StepRun {
				b.Ran = fmt.Sprintf("ran %d ×", s.Ran)
			}
			if s.StepForm != nil {
				b.Text = visible.Line(s.Text)
				if s.Line > 0 {
					b.Place = fmt.Sprintf("%s:%d", visible.Line(s.File), s.Line)
				}
			}
			b.On = grow(children[s.ID])
			all = append(all, b)
		}
		return all
	}
	return grow(roots)
}
