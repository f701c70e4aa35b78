package engine

import (
	"context"
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
)

// How many of the known jobs are looked at to find those that are sent ahead.
const aheadChoice = 2000

// sendAhead queues jobs while the builder still tells what others do, for as many
// workers as are free.
func (r *run) sendAhead(ctx context.Context, s *surveying) {
	free := r.Workers - r.queue.size()
	if r.Ledger == nil || r.Space.PreflightFree > 0 || free <= 0 {
		return
	}
	ahead := r.pickAhead(s, free)
	if len(ahead) == 0 {
		return
	}
	r.sizeLayers(ctx, ahead)
	r.room.know(r.needs, ahead)
	for _, t := range ahead {
		r.queue.add(t)
	}
}

// pickAhead picks at most a number of jobs that share the most, of those that are
// known. They get the first places that are left, and keep them.
func (r *run) pickAhead(s *surveying, most int) (ahead []*task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ready []int
	for _, t := range s.tasks {
		if a, known := s.answers[t]; known && r.canGoAhead(t, a) && len(ready) < aheadChoice {
			ready = append(ready, t.index)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	if r.Order == OrderShared {
		r.needs.Read(func(g *graph.Shared) { ready = g.Order(ready, weight(g)) })
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
	if t.begun || t.done || t.early != nil || a.err != nil || len(t.after) > 0 {
		return false
	}
	return !slices.ContainsFunc(a.images, func(image graph.Image) bool { return r.makers[imageref.WithoutDigest(image.Ref)] != nil })
}

// inFront returns tasks with some in the first places of open ones, which get theirs.
func inFront(tasks, ahead []*task) []*task {
	out := slices.Clone(tasks)
	place := 0
	for _, t := range ahead {
		for out[place].begun || out[place].done {
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
func (r *run) tellKnown(tasks []*task) {
	r.tasks = tasks
	r.mu.Lock()
	unswept := r.unswept
	close(r.known)
	r.mu.Unlock()
	for _, batch := range unswept {
		r.sweepBatch(batch)
	}
}

// isKnown tells whether it is known what all jobs do.
func (r *run) isKnown() bool {
	select {
	case <-r.known:
		return true
	default:
		return false
	}
}

// awaitKnown returns when that is known. The error is ctx's.
func (r *run) awaitKnown(ctx context.Context) error {
	select {
	case <-r.known:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// delays tells whether a batch has to wait for that to be swept.
func (r *run) delays(batch int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isKnown() {
		return false
	}
	r.unswept = append(r.unswept, batch)
	return true
}

// awaitStrangers asks the nodes about images that are not of the plan, and waits a
// while for their answers: they only make forecasts better.
func (r *run) awaitStrangers(ctx context.Context) {
	if len(r.sweepers) == 0 {
		return
	}
	var answers []<-chan struct{}
	for _, s := range r.sweepers {
		if report, err := s.Look(ctx); err == nil {
			answers = append(answers, r.nodes[s.Node.Name()].strangers.ask(ctx, r.needs.Strangers(report.Records)))
		}
	}
	patience := time.After(strangersPatience)
	for _, answered := range answers {
		select {
		case <-answered:
		case <-patience:
			return
		case <-ctx.Done():
			return
		}
	}
}
