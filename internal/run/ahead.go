package run

import (
	"context"
	"slices"
	"sync"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
)

// How many of the known jobs are looked at to find those that are sent ahead.
const aheadChoice = 2000

// sendAhead queues jobs while the builder still tells what others do, for as many
// workers as are free.
func (r *run) sendAhead(ctx context.Context, s *surveying) {
	if r.Ledger == nil || r.Space.PreflightFree > 0 {
		return
	}
	var ahead []*task
	r.scheduler.call(func() {
		if free := r.Workers*len(r.Nodes) - r.scheduler.open; free > 0 {
			ahead = r.pickAhead(s, free)
		}
	})
	if len(ahead) == 0 {
		return
	}
	r.sizeLayers(ctx, ahead)
	r.know(ahead)
	r.scheduler.call(func() { r.scheduler.enqueue(ahead...) })
}

// recall takes those back from the queue that were sent ahead and wait there yet: now that
// all are known, they have better places.
func (s *scheduler) recall() {
	for _, t := range s.queue {
		t.begun = false
	}
	s.open -= len(s.queue)
	s.queue = nil
}

// pickAhead picks at most a number of jobs that share the most, of those that are
// known. They get the first places that are left, and keep them.
func (r *run) pickAhead(s *surveying, most int) (ahead []*task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ready []int
	for _, t := range s.tasks {
		if a, known := s.answers[t]; known && r.canGoAhead(t, a) && len(ready) < aheadChoice {
			ready = append(ready, t.number)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	if r.Order == OrderShared {
		r.needs.Read(func(g *graph.Shared) { ready = g.Order(ready, begun(s.tasks), r.costs(g)) })
	}
	for _, number := range ready[:min(most, len(ready))] {
		ahead = append(ahead, s.tasks[number])
	}
	s.tasks = inFront(s.tasks, ahead)
	r.renumber(s.tasks)
	for _, t := range ahead {
		t.begun = true
		t.take(s.answers[t])
	}
	return ahead
}

// canGoAhead tells whether a job can be built before all are known: it is known
// itself, and not built on another's image.
func (r *run) canGoAhead(t *task, a answer) bool {
	if t.begun || t.done() || t.early != nil || a.err != nil || len(t.after) > 0 {
		return false
	}
	return !slices.ContainsFunc(a.images, func(image graph.Image) bool { return r.makers[imageref.WithoutDigest(image.Ref)] != nil })
}

// inFront returns tasks with some in the first places of open ones, which get theirs.
func inFront(tasks, ahead []*task) []*task {
	out := slices.Clone(tasks)
	place := 0
	for _, t := range ahead {
		for out[place].begun || out[place].done() {
			place++
		}
		from := slices.Index(out, t)
		out[place], out[from] = out[from], out[place]
		place++
	}
	return out
}

// tellKnown says that it is known what all jobs do: from now on what none of them
// needs may be removed, beginning with what batches left that have ended.
func (r *run) tellKnown(ctx context.Context, tasks []*task) {
	r.scheduler.call(func() {
		r.tasks = tasks
		r.allKnown()
		for _, number := range r.accounts.unswept {
			r.scheduler.sweep(ctx, number)
		}
		r.accounts.unswept = nil
	})
}

// askStrangers asks the nodes about images that are not of the plan, and waits a while
// for their answers: they only make forecasts better.
func (r *run) askStrangers(ctx context.Context) {
	var asking sync.WaitGroup
	for _, p := range r.scheduler.places {
		asking.Go(func() { p.node.AskStrangers(ctx) })
	}
	asking.Wait()
}
