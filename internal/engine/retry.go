package engine

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
)

// retry makes further attempts after failures that may get better.
func (r *run) retry(next buildFunc) buildFunc {
	return func(ctx context.Context, t *task) error {
		pauses := backoff.NewExponentialBackOff()
		pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = r.RetryDelay, r.RetryDelayMax, 2
		for t.attempt++; ; t.attempt++ {
			t.entry.AttemptCount = t.attempt - t.free
			err := r.attempt(ctx, t, next)
			switch {
			case err == nil:
				r.scouts.ended(t, "")
				return nil
			case errors.Is(err, errWaits):
				r.scouts.ended(t, string(builder.Throttled))
				return err
			case ctx.Err() != nil:
				return err
			}
			again, err := r.afterFailure(ctx, t, err, pauses)
			if !again {
				return err
			}
		}
	}
}

// attempt makes one attempt, if its registries may be asked, and unless and while
// nobody may build.
func (r *run) attempt(ctx context.Context, t *task, next buildFunc) error {
	r.quiet.RLock()
	defer r.quiet.RUnlock()
	if r.mayAsk(t) > 0 {
		t.attempt--
		return errWaits
	}
	err := next(ctx, t)
	if err == nil {
		r.gotThrough(t)
	}
	return err
}

// afterFailure finds out why an attempt failed, mends what it can, and returns
// whether and when another may be made. While a job waits for that, another has
// its worker. The error is what the job fails with if it ends here.
func (r *run) afterFailure(ctx context.Context, t *task, cause error, pauses backoff.BackOff) (again bool, err error) {
	class, why := r.classify(ctx, cause)
	err = r.explain(t, cause, class, why)
	r.scouts.ended(t, t.entry.Failure.Kind())
	r.probation.fail(*t.entry.Failure)
	t.outOfSpace = class == builder.NoSpace
	switch class {
	case builder.NoSpace:
		if leftBroken(cause) && r.Recovery != nil {
			r.mendCache(ctx, t, false)
		}
		return false, err
	case builder.BuilderLost:
		if r.Recovery != nil && r.builderBack(ctx, t, cause) {
			if leftBroken(cause) {
				r.mendCache(ctx, t, false)
			}
			return true, nil
		}
	case builder.Throttled:
		if s, known := r.throttledBy(ctx, t, cause); known {
			t.free++
			r.Journal.Tell(journal.AttemptFailed{Job: t.job.Name, Attempt: t.attempt, Error: err.Error(), Class: string(class), Failure: t.entry.Failure,
				Retry: !s.GivenUp, Delay: seconds(max(time.Until(s.Until), 0))})
			return false, errWaits
		}
	}
	r.leave(t)
	failed := journal.AttemptFailed{Job: t.job.Name, Attempt: t.attempt, Error: err.Error(), Class: string(class), Failure: t.entry.Failure}
	if may, stopped := r.mayTry(ctx, t, class); stopped != nil || !may {
		r.Journal.Tell(failed)
		return false, err
	}
	pause := max(pauses.NextBackOff(), t.restForReach())
	failed.Retry, failed.Delay = true, seconds(pause)
	r.Journal.Tell(failed)
	if class == builder.BrokenCache && r.Recovery != nil {
		r.mendCache(ctx, t, t.entry.AttemptCount >= r.Retries)
	}
	if err := r.rest(ctx, pause); err != nil {
		return false, err
	}
	return true, nil
}

// mayTry tells whether another attempt may be made at a job after a failure. An
// error is ctx's.
func (r *run) mayTry(ctx context.Context, t *task, class builder.Class) (bool, error) {
	left := t.entry.AttemptCount <= r.Retries
	switch class {
	case builder.Permanent:
		return false, nil
	case builder.StepFailed:
		if t.stepsFailed++; !left || t.stepsFailed > r.RetriesStep {
			return false, nil
		}
		return r.worthTrying(ctx, t)
	}
	return left, nil
}

// explain puts on record why an attempt failed, and returns the error that says so.
func (r *run) explain(t *task, cause error, class builder.Class, why string) error {
	f := builder.ReasonOf(t.job, cause)
	if f.Class != string(class) {
		f.Class, f.Why = string(class), why
	}
	t.entry.ErrorClass, t.entry.Failure = f.Class, r.redactedFailure(f)
	return &explainedError{cause, t.entry.Failure.String()}
}

// explainedError is an error with its reason first, and fit for the record.
type explainedError struct {
	error
	text string
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.error }

// classify tells what a failed attempt means. A full disk and a lost builder may
// show as any failure, so both are looked at themselves; both may leave the cache
// broken for a while.
func (r *run) classify(ctx context.Context, err error) (builder.Class, string) {
	var stall *stallError
	var limit *timeoutError
	switch {
	case errors.As(err, &stall), errors.As(err, &limit):
		if !r.answers(ctx) {
			return builder.BuilderLost, "the builder does not answer"
		}
		return builder.TimedOut, ""
	case errors.Is(err, context.Canceled):
		return builder.Cancelled, ""
	}
	class, why := builder.Classify(unredacted(err))
	if mayBeFullDisk(class) && !builder.OfRegistry(unredacted(err)) && (r.diskIsFull() || r.unseenDiskIsFull(ctx, err)) || class == builder.BrokenCache && r.full.within(brokenMemory, time.Now()) {
		class, why = builder.NoSpace, "the builder's disk is full"
	}
	switch {
	case class == builder.Transient && !r.answers(ctx):
		class, why = builder.BuilderLost, "the builder does not answer"
	case class == builder.BrokenCache && r.lost.within(brokenMemory, time.Now()):
		class, why = builder.BuilderLost, "the builder left its cache broken"
	}
	if class == builder.NoSpace {
		r.full.note(time.Now()) // also where that cannot be seen
	}
	if class == builder.NoSpace && r.Prune.Policy == PruneOff {
		class = builder.Transient // nothing may be removed to mend it
	}
	return class, why
}

// mayBeFullDisk tells the classes that a full disk may be behind.
func mayBeFullDisk(c builder.Class) bool {
	return c == builder.Transient || c == builder.StepFailed || c == builder.BrokenCache || c == builder.BuilderLost
}

// leftBroken tells whether a full disk or a lost builder has left the cache broken.
func leftBroken(err error) bool {
	class, _ := builder.Classify(unredacted(err))
	return class == builder.BrokenCache
}

// answers tells whether all nodes do.
func (r *run) answers(ctx context.Context) bool {
	for _, n := range r.Nodes {
		if n.Answers(ctx) != nil {
			return false
		}
	}
	return true
}

// rest gives the worker away for a while.
func (r *run) rest(ctx context.Context, pause time.Duration) error {
	over := make(chan struct{})
	timer := time.AfterFunc(pause, func() { close(over) })
	defer timer.Stop()
	return r.restUntil(ctx, over)
}

// restUntil gives the worker away until over is closed. It has one again when it
// returns, also when ctx was cancelled: the others end then too.
func (r *run) restUntil(ctx context.Context, over <-chan struct{}) error {
	r.release()
	select {
	case <-over:
	case <-ctx.Done():
	}
	if err := r.slots.Acquire(context.WithoutCancel(ctx), 1); err != nil {
		return err
	}
	return context.Cause(ctx)
}
