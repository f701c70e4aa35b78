package run

import (
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
)

// Order says in which order jobs are built.
type Order string

// The orders.
const (
	// OrderShared keeps shared layers for the shortest time.
	OrderShared Order = "shared"
	// OrderGiven is that of the input.
	OrderGiven Order = "given"
)

// arrange puts the open tasks into the order in which they are built. The places of
// tasks that are done stay theirs, so that batches keep their sizes, and of those
// that have begun.
func (r *run) arrange(tasks []*task) []*task {
	var places, open []int // of the open tasks
	for i, t := range tasks {
		if !t.begun && !t.done() {
			open = append(open, i)
		}
	}
	places = slices.Clone(open)
	if r.Order == OrderShared {
		r.needs.Read(func(g *graph.Shared) { open = g.Order(open, begun(tasks), r.costs(g)) })
	}
	inOrder := make([]*task, len(open))
	for i, from := range open {
		inOrder[i] = tasks[from]
	}
	arranged := slices.Clone(tasks)
	inOrder = afterOthers(inOrder)
	if r.Order == OrderShared {
		inOrder = heirsNext(inOrder)
	}
	for i, t := range inOrder {
		arranged[places[i]] = t
	}
	r.renumber(arranged)
	return arranged
}

// begun returns the numbers of the tasks that were sent ahead.
func begun(tasks []*task) (numbers []int) {
	for _, t := range tasks {
		if t.begun {
			numbers = append(numbers, t.number)
		}
	}
	return numbers
}

// renumber gives all tasks the numbers of their places, in the plan and in what they
// need, too.
func (r *run) renumber(tasks []*task) {
	order := make([]int, len(tasks))
	for place, t := range tasks {
		order[place] = t.number
		if t.number != place { // else a build that has begun may look at it
			t.number, t.result.batch = place, r.Plan.Batch(place)
		}
	}
	r.Plan.Reorder(order)
	r.needs.Renumber(order)
}

// A step whose size nobody knows weighs as much as a small layer.
const stepWeight = 1 << 20

// costs are what jobs are ordered by: what vertices weigh, and how long jobs took in earlier
// runs.
func (r *run) costs(g *graph.Shared) graph.Costs {
	c := graph.Costs{Weight: weight(g)}
	if len(r.Took) > 0 {
		c.Seconds = func(job int) float64 { return r.Took[r.Plan.Jobs[job].Name] }
	}
	return c
}

// weight is what the order of jobs takes vertices to weigh.
func weight(g *graph.Shared) func(v int32) int64 {
	return func(v int32) int64 {
		if g.Kind(v) == graph.Source {
			return 0
		}
		return max(g.Size(v), stepWeight)
	}
}
