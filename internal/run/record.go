package run

import (
	"context"
	"fmt"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// batch counts the jobs of a batch.
type batch struct{ open, built, skipped, dependants, failed int }

// accounts are what has become of the jobs so far. They are the scheduler's alone.
type accounts struct {
	batches []batch
	unswept []int // batches that ended before it was known what all jobs do
	// What this run has put on record.
	built, skipped, dependants, failed int
	losses                             map[string]int // how often nodes were lost, by their names
}

// finish puts a task on record, which has a worker, and goes on when that is done.
func (s *scheduler) finish(ctx context.Context, t *task, status ledger.Status, reason error) {
	s.run.registries.leave(t)
	on := t.on[0]
	s.fly(func() func() {
		t.finish(status, reason)
		e, kept := s.run.keep(t)
		var heirs []*task
		s.call(func() { heirs = s.bequest(t, kept && status == ledger.Built) })
		s.run.inherit(ctx, heirs)
		var finished int
		var fewer bool
		s.call(func() {
			s.follow(t, heirs)
			t.release()
			on.pool.last++
			s.open--
			if kept {
				s.account(ctx, t, e)
			}
			a := &s.run.accounts
			finished, fewer = len(s.run.Resume.Kept)+a.built+a.skipped+a.dependants+a.failed, on.pool.away > 0
		})
		for _, n := range t.nodes() {
			n.JobDone(ctx, finished)
		}
		another := fewer && ctx.Err() == nil && on.node.Fits(ctx, t.number)
		return func() {
			on.pool.last--
			on.pool.give()
			if another && on.pool.grow() {
				s.run.Journal.Tell(journal.WorkersChanged{Workers: s.workers()})
			}
			if reason != nil {
				s.stopEarly()
			}
			s.probation.settle(status == ledger.Built)
		}
	})
}

// keep puts a task on record. It tells whether it could.
func (r *run) keep(t *task) (ledger.Entry, bool) {
	e := t.entry()
	if err := r.Ledger.Add(e); err != nil {
		r.fail(fmt.Errorf("the manifest cannot be written: %w", err))
		return e, false
	}
	r.noteSteps()
	r.Journal.Tell(journal.JobFinished{Entry: e})
	r.dropPushed(t)
	return e, true
}

// dropPushed lets go of what a built job left beside the cache, before what it needed is
// swept, and also when the run is being ended. Where that fails, it only takes up space.
func (r *run) dropPushed(t *task) {
	if t.result.status != ledger.Built {
		return
	}
	if err := r.Builder.DropPushed(context.Background(), t.job); err != nil {
		r.warn(t.job.Name, "its image stays in docker's image store: %s", err)
	}
}

// account counts a job that is on record, and has its batch swept where it was the last.
func (s *scheduler) account(ctx context.Context, t *task, e ledger.Entry) {
	a := &s.run.accounts
	t.ended = e.Status
	s.giveUp(t)
	b := &a.batches[e.Batch-1]
	b.open--
	switch e.Status {
	case ledger.Built:
		b.built++
		a.built++
	case ledger.Skipped:
		b.skipped++
		a.skipped++
	case ledger.SkippedDependency:
		b.dependants++
		a.dependants++
	default:
		b.failed++
		a.failed++
	}
	if b.open > 0 {
		return
	}
	s.run.Journal.Tell(journal.BatchFinished{Batch: e.Batch, Built: b.built, Skipped: b.skipped, SkippedDependency: b.dependants, Failed: b.failed})
	if !s.run.needs.Known() {
		a.unswept = append(a.unswept, e.Batch)
		return
	}
	s.sweep(ctx, e.Batch)
}

// sweep has what a batch left swept.
func (s *scheduler) sweep(ctx context.Context, number int) {
	var images []string
	for i, job := range s.run.Plan.Jobs {
		if s.run.Plan.Batch(i) == number && job.Base != "" {
			images = append(images, job.Base)
		}
	}
	places := s.places // another may come late
	s.fly(func() func() {
		for _, p := range places {
			p.node.BatchDone(ctx, number, images)
		}
		return func() {}
	})
}

// failEarly ends tasks without an attempt, one after the other, until that ends the run.
func (s *scheduler) failEarly(ctx context.Context, tasks ...*task) {
	s.fly(func() func() {
		for _, t := range tasks {
			if ctx.Err() != nil {
				break
			}
			t.begin()
			if t.result.failure == nil {
				t.result.failure = redactedFailure(s.run.Redact, ledger.Failure{Class: string(builder.Permanent), Message: t.early.Error()})
			}
			t.finish(ledger.Failed, t.early)
			s.endEarly(ctx, t, s.stopEarly)
		}
		return func() {}
	})
}

// skipDependant ends a task that is built on one which has failed.
func (s *scheduler) skipDependant(ctx context.Context, t *task) {
	t.begin()
	t.result.skip = ledger.DependencyFailed
	t.finish(ledger.SkippedDependency, nil)
	s.fly(func() func() {
		s.endEarly(ctx, t, func() {})
		return func() {}
	})
}

// endEarly puts a task on record that has no worker, and then does what follows.
func (s *scheduler) endEarly(ctx context.Context, t *task, then func()) {
	e, kept := s.run.keep(t)
	s.call(func() {
		s.open--
		if kept {
			s.account(ctx, t, e)
			then()
		}
	})
}

// stopEarly ends the run after a failed job where going on makes no sense.
func (s *scheduler) stopEarly() {
	r := s.run
	switch {
	case r.FailFast:
		r.cancel(errFailFast)
		return
	case r.MaxFailures >= 0 && r.accounts.failed > r.MaxFailures:
		r.cancel(tooMany(r.accounts.failed))
		return
	}
	if r.accounts.built > 0 {
		return
	}
	entries := r.entries()
	if why := hopeless(entries); why != "" {
		r.cancel(fmt.Errorf("no job was built and %d failed for the same reason; %d were not tried: %s",
			hopelessAfter, len(r.Plan.Jobs)-len(r.Resume.Kept)-len(entries), why))
	}
}

// entries are what this run has put on record: what an earlier one has built says nothing
// of what is broken now, or how long it takes.
func (r *run) entries() []ledger.Entry { return r.Ledger.Entries()[len(r.Resume.Kept):] }
