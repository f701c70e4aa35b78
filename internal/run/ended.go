package run

import (
	"context"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// attempt makes an attempt at a task, which has its space, with a worker of its place.
func (s *scheduler) attempt(ctx context.Context, t *task) {
	t.on[0].pool.take()
	s.run.setForm(t, t.nodeNames())
	ended := s.run.recipes.begin(t.known.assembly)
	s.fly(func() func() {
		err := s.run.try(ctx, t)
		ended()
		if err == nil || ctx.Err() != nil || isWaiting(err) {
			return func() { s.ended(ctx, t, err) }
		}
		f := s.run.diagnose(ctx, t, err)
		if f.class == builder.Throttled {
			f.throttled = s.run.registries.throttledBy(ctx, t, err)
		}
		return func() { s.failed(ctx, t, f) }
	})
}

// ended goes on after an attempt that succeeded, was cut short, or was not made since a
// registry is to be left alone.
func (s *scheduler) ended(ctx context.Context, t *task, err error) {
	switch {
	case err == nil:
		s.back(ctx, s.scouts.ended(t, ""))
		s.finish(ctx, t, ledger.Built, nil)
	case ctx.Err() != nil:
		// The job did not fail, it was cut short: it has no entry, and a later run
		// builds it.
		s.letGo(t)
	default:
		s.waitForRegistry(ctx, t)
	}
}

// letGo gives back what a task has.
func (s *scheduler) letGo(t *task) {
	s.run.registries.leave(t)
	t.on[0].pool.give()
	t.release()
}

// waitForRegistry puts a task back to the end of the queue: one that is refused for a
// reason of its own must not be the one that asks for all each time.
func (s *scheduler) waitForRegistry(ctx context.Context, t *task) {
	s.back(ctx, s.scouts.ended(t, string(builder.Throttled)))
	s.letGo(t)
	s.probation.started--
	s.run.Journal.Tell(journal.JobWaiting{Job: t.job.Name, Registries: s.run.registries.waitedFor(t)})
	t.on = nil
	s.queue = append(s.queue, t)
}

// failed goes on after a failed attempt: with another, now or later, or with the job's
// end.
func (s *scheduler) failed(ctx context.Context, t *task, f failed) {
	if ctx.Err() != nil {
		s.letGo(t)
		return
	}
	t.result.failure = f.failure
	s.back(ctx, s.scouts.ended(t, f.failure.Kind()))
	s.probation.fail(*f.failure)
	switch f.class {
	case builder.NoSpace:
		s.afterFullDisk(ctx, t, f)
		return
	case builder.BuilderLost:
		if t.tries.lost++; (s.run.Recovery != nil || s.others(t.on[0])) && t.tries.lost <= maxLost {
			s.loseWith(ctx, t, f)
			return
		}
	case builder.Throttled:
		if f.throttled != nil {
			t.tries.free++
			e := attemptFailed(t, f)
			e.Retry, e.Delay = !f.throttled.GivenUp, journal.Seconds(max(time.Until(f.throttled.Until), 0))
			s.run.Journal.Tell(e)
			s.waitForRegistry(ctx, t)
			return
		}
	}
	s.run.registries.leave(t)
	s.retry(ctx, t, f)
}

func attemptFailed(t *task, f failed) journal.AttemptFailed {
	return journal.AttemptFailed{Job: t.job.Name, Attempt: t.tries.attempt, Error: f.err.Error(), Class: string(f.class), Failure: f.failure}
}

// retry makes another attempt where one is left and may help.
func (s *scheduler) retry(ctx context.Context, t *task, f failed) {
	left := t.tries.counted() <= s.run.Retries
	switch f.class {
	case builder.Permanent:
		left = false
	case builder.StepFailed:
		t.tries.stepsFailed++
		left = left && t.tries.stepsFailed <= s.run.RetriesStep
		if scout := s.scouts.of(f.failure.Kind(), t); left && scout.task != t {
			if !scout.back {
				// Until that is known, another job has the worker.
				s.run.Journal.Tell(journal.JobHeld{Job: t.job.Name, For: scout.task.job.Name, Error: f.err.Error(), Class: string(f.class)})
				t.on[0].pool.give()
				scout.waiting = append(scout.waiting, held{t, f})
				return
			}
			left = !scout.vain
		}
	}
	if !left {
		s.run.Journal.Tell(attemptFailed(t, f))
		s.finish(ctx, t, ledger.Failed, f.err)
		return
	}
	s.tryAgain(ctx, t, f)
}

// tryAgain makes another attempt after a pause, and mends a broken cache before that.
// Meanwhile another job has the worker.
func (s *scheduler) tryAgain(ctx context.Context, t *task, f failed) {
	pause := max(t.tries.pauses.NextBackOff(), t.restForReach())
	e := attemptFailed(t, f)
	e.Retry, e.Delay = true, journal.Seconds(pause)
	s.run.Journal.Tell(e)
	then := func() { s.rest(t, pause) }
	if f.class != builder.BrokenCache || s.run.Recovery == nil {
		then()
		return
	}
	last := t.tries.counted() >= s.run.Retries
	s.fly(func() func() {
		s.run.mend(ctx, t, last)
		return then
	})
}

// rest has a task wait for its next attempt, without a worker.
func (s *scheduler) rest(t *task, pause time.Duration) {
	t.on[0].pool.give()
	s.rests = append(s.rests, &rest{t, time.Now().Add(pause)})
}

// back lets those go on that wait for scouts which are back: to another attempt, or to
// the job's end where the scout's was in vain.
func (s *scheduler) back(ctx context.Context, scouts []*scout) {
	for _, scout := range scouts {
		waiting := scout.waiting
		scout.waiting = nil
		for _, h := range waiting {
			h.task.on[0].pool.take() // for the moment: it is given back by what follows
			if scout.vain {
				s.run.Journal.Tell(attemptFailed(h.task, h.failed))
				s.finish(ctx, h.task, ledger.Failed, h.failed.err)
				continue
			}
			s.tryAgain(ctx, h.task, h.failed)
		}
	}
}
