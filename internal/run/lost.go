package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/visible"
)

// How often a job may lose its builder before that counts as its own failure: a job that
// kills the daemon must not do so for ever.
const maxLost = 5

// loseWith notes that a job has lost its builder: it goes on, at no cost, when that is
// back.
func (s *scheduler) loseWith(ctx context.Context, t *task, f failed) {
	s.run.Journal.Tell(journal.BuilderLost{Job: t.job.Name, Attempt: t.tries.attempt, Error: f.cause.Error(), Node: strings.Join(t.nodeNames(), " ")})
	s.run.registries.leave(t)
	broke := f.broke()
	lost := t.on[0]
	for _, p := range t.on {
		if !broke {
			p.node.NoteLost()
		}
	}
	t.tries.free++
	lost.pool.give()
	s.lose(ctx, lost, t, f.cause, broke)
}

// orphan is a job that has lost its builder.
type orphan struct {
	task *task
	// broken says that the builder has left its cache broken, which is mended first.
	broken bool
}

// lose has a node waited for that does not answer, and t, which may be nil, with it.
// Where other nodes can build its jobs, these go back to the queue, at no cost.
func (s *scheduler) lose(ctx context.Context, p *place, t *task, cause error, broken bool) {
	if t != nil {
		p.orphans = append(p.orphans, orphan{t, broken})
	} else if !p.lost {
		s.run.Journal.Tell(journal.BuilderLost{Error: visible.FirstLine(cause.Error()), Node: p.node.Name()})
	}
	if !p.lost {
		p.lost = true
		p.node.EndPulls()
		s.run.accounts.losses[p.node.Name()]++
		s.search(ctx, p, t == nil)
	}
	s.moveAway(p)
}

// search waits for a node that does not answer. Where it is the last and does not come
// back, the run ends: every further job would wait as long.
func (s *scheduler) search(ctx context.Context, p *place, idle bool) {
	s.searches++
	s.fly(func() func() {
		err := p.node.Recover(s.searching)
		return func() {
			s.searches--
			switch {
			case err == nil:
				s.found(ctx, p, idle)
			case s.searching.Err() != nil:
			case s.others(p) && errors.Is(err, node.ErrNothingToMend): // it stays left out
			case s.others(p):
				s.search(ctx, p, idle)
			default:
				s.run.cancel(err)
			}
		}
	})
}

// others tells whether other nodes answer.
func (s *scheduler) others(p *place) bool {
	return slices.ContainsFunc(s.places, func(o *place) bool { return o != p && !o.lost })
}

// moveAway puts the jobs of a node that does not answer back into the queue, as far as
// others can build them.
func (s *scheduler) moveAway(p *place) {
	if !s.others(p) {
		return
	}
	switch t := p.head; {
	case p.admitting:
		p.giveWay(errMovesAway) // and it is moved then
	case t != nil && s.putElsewhere(t):
		p.head = nil
	}
	var homeless []*task
	for _, t := range s.queue {
		if t.home == p && s.elsewhere(t) {
			homeless = append(homeless, t)
		}
	}
	s.settle(nil, homeless...)
	p.ready = slices.DeleteFunc(p.ready, s.putElsewhere)
	p.orphans = slices.DeleteFunc(p.orphans, func(o orphan) bool { return s.putElsewhere(o.task) })
	s.rests = slices.DeleteFunc(s.rests, func(r *rest) bool { return r.task.on[0] == p && s.putElsewhere(r.task) })
}

// errMovesAway is why no space is looked for any more on a node that was lost.
var errMovesAway = errors.New("the builder was lost")

// putElsewhere puts a job to the front of the queue where a node that answers can build
// it.
func (s *scheduler) putElsewhere(t *task) bool {
	if !s.elsewhere(t) {
		return false
	}
	t.release()
	s.settle(nil, t)
	s.run.Journal.Tell(journal.JobWaiting{Job: t.job.Name, Node: strings.Join(t.nodeNames(), " ")})
	t.on = nil
	s.probation.started--
	s.queue = slices.Insert(s.queue, 0, t)
	return true
}

// found goes on with a node that answers again.
func (s *scheduler) found(ctx context.Context, p *place, idle bool) {
	orphans := p.orphans
	p.orphans, p.lost, p.again = nil, false, time.Time{}
	if idle || len(orphans) == 0 {
		s.run.Journal.Tell(journal.Recovered{Mending: journal.MendBuilder, Node: p.node.Name()})
	}
	for _, o := range orphans {
		s.run.Journal.Tell(journal.Recovered{Job: o.task.job.Name, Attempt: o.task.tries.attempt, Mending: journal.MendBuilder, Node: p.node.Name()})
		s.goOn(ctx, p, o)
	}
	for _, other := range s.places {
		if other.lost {
			s.moveAway(other) // it may have been the last until now
		}
	}
}

// goOn makes another attempt at a job whose builder is back.
func (s *scheduler) goOn(ctx context.Context, p *place, o orphan) {
	if !o.broken {
		p.ready = append(p.ready, o.task)
		return
	}
	s.fly(func() func() {
		s.run.mend(ctx, o.task, false)
		return func() { p.ready = append(p.ready, o.task) }
	})
}

// afterFullDisk deals with an attempt that a full disk ended: it removes all that is dead,
// takes one worker away and puts the job back without costing it an attempt. Where it ran
// alone, there was nothing to remove and nobody else to wait for, it has failed.
func (s *scheduler) afterFullDisk(ctx context.Context, t *task, f failed) {
	s.run.registries.leave(t)
	t.release()
	t.tries.full++
	p := t.on[0]
	alone := p.pool.busy == 1
	s.fly(func() func() {
		if f.broke() && s.run.Recovery != nil {
			s.run.mend(ctx, t, false)
		}
		if s.run.needs.Await(ctx) != nil {
			return func() { p.pool.give() }
		}
		n := p.node
		after, err := n.FreeAfterFull(ctx, t.number)
		if lost := (*node.LostError)(nil); errors.As(err, &lost) {
			return func() {
				s.putBackFull(t, f)
				s.lose(ctx, p, nil, lost, false)
			}
		}
		fate := afterFull{times: t.tries.full, broke: f.broke(), alone: alone, freed: after.Freed, swept: after.Swept, waits: after.Waits, fits: after.Fits}
		if !fate.hopeless() {
			if !fate.broke {
				n.ExpectMore(t.number, t.tries.alone, after)
			}
			return func() { s.putBackFull(t, f) }
		}
		small := after.TooSmall()
		return func() {
			t.result.failure = redactedFailure(s.run.Redact, f.failure.With(small.Error()))
			s.finish(ctx, t, ledger.Failed, &explainedError{small, t.result.failure.String()})
		}
	})
}

// putBackFull puts a job to the front of the queue after a full disk, with one worker
// less.
func (s *scheduler) putBackFull(t *task, f failed) {
	p := t.on[0]
	p.pool.shrink()
	p.pool.give()
	t.tries.free++
	s.run.Journal.Tell(journal.DiskFull{Job: t.job.Name, Attempt: t.tries.attempt, Error: f.err.Error(), Workers: s.workers()})
	t.on = nil
	s.queue = slices.Insert(s.queue, 0, t)
	s.probation.started--
}

// workers counts those that no full disk has taken, on all nodes.
func (s *scheduler) workers() (all int) {
	all = s.late * s.run.Workers
	for _, p := range s.places {
		all += p.pool.workers()
	}
	return all
}
