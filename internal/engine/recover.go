package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/sweep"
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
	r.Journal.Tell(journal.BuilderLost{Job: t.job.Name, Attempt: t.attempt, Error: cause.Error()})
	if r.recoverBuilder(ctx) != nil {
		return false
	}
	if !leftBroken(cause) {
		r.lost.note(time.Now())
	}
	r.noteMended(journal.Recovered{Job: t.job.Name, Attempt: t.attempt, Mending: journal.MendBuilder})
	t.free++
	return true
}

// lookTimeout bounds a look at a node's cache, which takes seconds at most once the
// sizes of its records are known.
const lookTimeout = time.Minute

// look looks at a node's cache. While no build runs, nobody else notices that the
// builder is lost: then it is waited for, as by a job.
func (r *run) look(ctx context.Context, s *sweep.Sweeper) (*cache.Report, error) {
	report, err := lookOnce(ctx, s)
	if err == nil || ctx.Err() != nil || r.Recovery == nil {
		return report, err
	}
	r.looking.Lock()
	defer r.looking.Unlock()
	if r.answers(ctx) { // again, where another look has waited for it
		return lookOnce(ctx, s)
	}
	r.Journal.Tell(journal.BuilderLost{Error: firstLine(err.Error())})
	if back := r.recoverBuilder(ctx); back != nil {
		return nil, errors.Join(err, back)
	}
	r.noteMended(journal.Recovered{Mending: journal.MendBuilder})
	return lookOnce(ctx, s)
}

func lookOnce(ctx context.Context, s *sweep.Sweeper) (*cache.Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("it did not list its cache within %s", lookTimeout))
	defer cancel()
	return s.Look(ctx)
}

// recoverBuilder returns when the builder answers again. Jobs that run side by
// side lose it together; the first mends it for all. Where it does not come
// back, the run ends: every further job would wait as long.
func (r *run) recoverBuilder(ctx context.Context) error {
	if r.Recovery == nil {
		return errors.New("--recover=false")
	}
	_, err := r.Recovery.Take(ctx, "", func(ctx context.Context) error {
		return r.Builder.Recover(ctx, r.Recovery.Interval)
	})
	if err != nil {
		err = fmt.Errorf("the builder did not come back: %w", err)
		r.cancel(err)
	}
	return err
}

// mendCache removes what a broken cache would show to the next attempt: first
// the job's own records, then its own base layers too, and before the last
// attempt all that has to do with its base, whoever needs it: what is broken is
// of no use to them either. last tells that the next attempt is the last.
func (r *run) mendCache(ctx context.Context, t *task, last bool) {
	if r.awaitKnown(ctx) != nil {
		return
	}
	t.healed++
	mended := journal.Recovered{Job: t.job.Name, Attempt: t.attempt, Mending: mendingOf(t.healed, last)}
	thing := ""
	switch mended.Mending {
	case journal.MendBase:
		thing = "base " + t.baseName()
	case journal.MendNoCache:
		thing = "all of " + t.baseName()
		t.noCache = true
	}
	done, err := r.Recovery.Take(ctx, thing, func(ctx context.Context) error {
		r.collect(ctx)
		if mended.Mending == journal.MendNoCache {
			// What builds use cannot be removed.
			r.quiet.Lock()
			defer r.quiet.Unlock()
		}
		for _, s := range r.sweepers {
			for _, w := range r.mend(ctx, s, t, mended.Mending) {
				r.swept(r.nodeOf(s), w, true)
				mended.Records += w.Removed.Records
				mended.Bytes += w.Removed.Bytes
			}
		}
		return nil
	})
	if err != nil {
		r.warn(t.job.Name, "the cache could not be mended: %s", err)
		return
	}
	mended.Skipped = !done
	r.noteMended(mended)
}

// mendingOf tells how the cache is mended after a job's nth failure that a
// broken cache explains, when only one more attempt may be left.
func mendingOf(n int, last bool) journal.Mending {
	switch {
	case last || n > 2:
		return journal.MendNoCache
	case n == 2:
		return journal.MendBase
	}
	return journal.MendOwn
}

// mend removes from one node's cache what a way of mending a job takes.
func (r *run) mend(ctx context.Context, s *sweep.Sweeper, t *task, way journal.Mending) []sweep.Sweep {
	r.Journal.Tell(journal.SweepStarted{Node: s.Node.Name(), Pressure: true})
	own := s.Mend(ctx, t.index, func(v cache.Verdict) bool { return !v.Layer || way != journal.MendOwn })
	if way != journal.MendNoCache {
		return []sweep.Sweep{own}
	}
	related := func(w cache.Wanting) bool {
		return w.Any(func(job int) bool { return r.tasks[job].sharesBase(t) })
	}
	return []sweep.Sweep{own, s.Free(ctx, math.MaxInt64), s.Evict(ctx, math.MaxInt64, related)}
}

// sharesBase tells whether two jobs' base images have a layer in common.
func (t *task) sharesBase(other *task) bool {
	for _, a := range t.images {
		for _, b := range other.images {
			if len(a.Layers) > 0 && len(b.Layers) > 0 && a.Layers[0] == b.Layers[0] {
				return true
			}
		}
	}
	return false
}

// baseName is a name for what a job is built on.
func (t *task) baseName() string {
	if t.job.Base == "" && len(t.images) > 0 {
		return t.images[0].Ref
	}
	return t.job.Base
}

// noteMended puts a recovery on record.
func (r *run) noteMended(e journal.Recovered) {
	r.mu.Lock()
	r.mended[e.Mending]++
	r.mu.Unlock()
	r.Journal.Tell(e)
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
