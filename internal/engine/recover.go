package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/stoker-build/stoker/internal/cache"
)

// Mending is one way to mend a builder.
type Mending string

// The ways.
const (
	// MendBuilder waited for a daemon that was lost, or started it again.
	MendBuilder Mending = "builder"
	// MendOwn removed the records of the job's own steps.
	MendOwn Mending = "own_records"
	// MendBase removed the job's base layers too, but those that other
	// unfinished jobs share.
	MendBase Mending = "base_records"
	// MendNoCache leaves the cache out of the next attempt.
	MendNoCache Mending = "no_cache"
)

// How often a job may lose its builder before that counts as its own failure: a
// job that kills the daemon must not do so for ever.
const maxLost = 5

// builderBack waits for a builder that was lost, or has a private one restarted,
// so that the attempt costs the job nothing. It tells whether the job goes on.
func (r *run) builderBack(ctx context.Context, t *task, cause error) bool {
	if t.lost++; t.lost > maxLost {
		return false
	}
	r.emit(BuilderLost{Job: t.job.Name, Attempt: t.attempt, Error: cause.Error()})
	if err := r.recoverBuilder(ctx); err != nil {
		r.emit(Warning{Job: t.job.Name, Message: fmt.Sprintf("the builder did not come back: %s", err)})
		return false
	}
	r.noteMended(Recovered{Job: t.job.Name, Attempt: t.attempt, Mending: MendBuilder})
	t.free++
	return true
}

// recoverBuilder returns when the builder answers again. Jobs that run side by
// side lose it together; the first mends it for all.
func (r *run) recoverBuilder(ctx context.Context) error {
	if r.Recovery == nil {
		return errors.New("--recover=false")
	}
	_, err := r.Recovery.Take(ctx, "", func(ctx context.Context) error {
		return r.Builder.Recover(ctx, r.Recovery.Interval)
	})
	return err
}

// mendCache removes what a broken cache would show to the next attempt: first
// the job's own records, then its own base layers too, at last everything by
// building without the cache.
func (r *run) mendCache(ctx context.Context, t *task) {
	t.healed++
	mended := Recovered{Job: t.job.Name, Attempt: t.attempt, Mending: MendOwn}
	thing := ""
	switch {
	case t.healed == 2:
		mended.Mending = MendBase
		thing = "base " + deepest(t.bases).Ref
	case t.healed > 2:
		mended.Mending, t.noCache = MendNoCache, true
	}
	done, err := r.Recovery.Take(ctx, thing, func(ctx context.Context) error {
		r.collect(ctx)
		for _, s := range r.sweepers {
			r.emit(SweepStarted{Node: s.Node.Name(), Pressure: true})
			w := s.Mend(ctx, t.index, func(v cache.Verdict) bool { return v.Depth < 0 || t.healed > 1 })
			r.swept(r.nodeOf(s), w, true)
			mended.Records += w.Removed.Records
			mended.Bytes += w.Removed.Bytes
		}
		return nil
	})
	if err != nil {
		r.emit(Warning{Job: t.job.Name, Message: fmt.Sprintf("the cache could not be mended: %s", err)})
		return
	}
	mended.Skipped = !done
	r.noteMended(mended)
}

// noteMended puts a recovery on record.
func (r *run) noteMended(e Recovered) {
	r.mu.Lock()
	r.mended[e.Mending]++
	r.mu.Unlock()
	r.emit(e)
}

// recoveries counts what was mended, by its way; nil for nothing.
func (r *run) recoveries() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mended) == 0 {
		return nil
	}
	out := map[string]int{}
	for way, n := range r.mended {
		out[string(way)] = n
	}
	return out
}
