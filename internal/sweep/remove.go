package sweep

import (
	"context"
	"fmt"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// Remove removes these records and no others, children before parents as they
// are listed, at the pace of a sweep, and returns when it is done. Of o it takes
// Node, Pause, Timeout and Busy.
func Remove(ctx context.Context, o Options, list []cache.Record) Sweep {
	background, cancel := context.WithCancel(ctx)
	s := Start(background, o)
	defer func() {
		cancel()
		s.Wait()
	}()
	return s.alone(ctx, 0, func(ctx context.Context, w *Sweep) {
		w.Dead = cache.SumOf(list)
		s.remove(ctx, list, w)
	})
}

// removal is what the sweeps of a node know of each other.
type removal struct {
	pace     pace          // of slices that builds need not wait for
	gentle   pace          // of slices beside builds
	unlinked int           // records whose files are still there
	walk     time.Duration // how long the last collection took
}

const (
	// gentleSlice is how many records BuildKit (v0.34) removes while it holds its
	// lock. For more in a call it takes the lock again at once.
	gentleSlice = 10
	// gentleCollect is after how many records their files are freed beside builds.
	// That costs a millisecond for each of them, and builds wait for it.
	gentleCollect = 20
)

func newRemoval(pause time.Duration) removal {
	return removal{pace: newPace(pause, largestSlice), gentle: newPace(pause, gentleSlice)}
}

// remove deletes records in their order, in slices that keep the pace.
func (s *Sweeper) remove(ctx context.Context, list []cache.Record, w *Sweep) {
	w.Refused = cache.Sum{}
	if len(list) > 0 {
		s.tell(w)
	}
	for len(list) > 0 && ctx.Err() == nil && w.Err == nil && !s.ending.Load() {
		if s.yields(w) {
			list = s.removeGently(ctx, list, w)
		} else {
			list = s.removeFast(ctx, list, w)
		}
	}
	s.collect(ctx, w)
}

// yields tells whether a sweep should disturb builds as little as it can: some
// run, and nobody waits for the space.
func (s *Sweeper) yields(w *Sweep) bool { return !w.urgent && s.waiting.Load() == 0 && s.Busy() }

// removeFast removes the first slice of a list, files and all, and returns the rest.
func (s *Sweeper) removeFast(ctx context.Context, list []cache.Record, w *Sweep) []cache.Record {
	n := min(s.pace.size, len(list))
	if took, ok := s.slice(ctx, s.Node.Delete, list[:n], w); ok {
		s.pace.adapt(n, took)
		s.unlinked = 0 // BuildKit has collected them
	}
	return list[n:]
}

// removeGently removes the first slice of a list with little work for the daemon
// at a time, and returns the rest.
func (s *Sweeper) removeGently(ctx context.Context, list []cache.Record, w *Sweep) []cache.Record {
	n := min(s.gentle.size, len(list))
	s.unlinked += n
	if took, ok := s.slice(ctx, s.Node.Unlink, list[:n], w); ok {
		s.gentle.adapt(n, took)
		// BuildKit goes on to walk all keys of its cache, which nobody tells the
		// end of; it takes about as long as a collection.
		s.rest(ctx, w, took+s.walk)
	}
	if s.unlinked >= gentleCollect {
		s.rest(ctx, w, s.collect(ctx, w))
	}
	return list[n:]
}

// rest gives builds as much time as a call took.
func (s *Sweeper) rest(ctx context.Context, w *Sweep, took time.Duration) {
	if s.yields(w) {
		sleep(ctx, took)
	}
}

// slice makes one call that removes records. It tells whether that succeeded.
func (s *Sweeper) slice(ctx context.Context, call func(context.Context, []string) ([]cache.Record, error), list []cache.Record, w *Sweep) (time.Duration, bool) {
	asked := make(map[string]cache.Record, len(list))
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i], asked[r.ID] = r.ID, r
	}
	start := time.Now()
	patient, end := s.lateEnd(ctx)
	removed, err := call(patient, ids)
	end()
	took := time.Since(start)
	w.Slices++
	w.Longest = max(w.Longest, took)
	for _, r := range removed {
		if _, ours := asked[r.ID]; ours {
			w.Removed.Add(&r)
			delete(asked, r.ID)
		} else {
			w.Astray.Add(&r)
		}
	}
	s.counts.removed(removed)
	if err != nil {
		w.Err = fmt.Errorf("deleting %d records: %w", len(ids), err)
		return took, false
	}
	for _, r := range asked {
		w.Refused.Add(&r)
	}
	return took, true
}

// callEnd is how long a call that removes records may still take when its sweep is ended.
const callEnd = 5 * time.Second

// lateEnd returns a context for a call that has begun when ctx ends: it ends a while
// later. What BuildKit has begun to delete in a call that is cut short is lost for as long as
// the cache lives. A node that does not answer is not waited for, and at the end of the run
// End has waited already.
func (s *Sweeper) lateEnd(ctx context.Context) (late context.Context, end func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if !s.ending.Load() {
			heard, stop := s.heard(late)
			sleep(heard, callEnd)
			stop()
		}
		cancel(context.Cause(ctx))
	})
	return late, func() {
		stop()
		cancel(nil)
	}
}

func (s *Sweeper) heard(ctx context.Context) (heard context.Context, stop func()) {
	if s.Heard == nil {
		return ctx, func() {}
	}
	return s.Heard(ctx)
}

// collect frees the files of the records that were unlinked, if there are any, and
// returns how long that took.
func (s *Sweeper) collect(ctx context.Context, w *Sweep) time.Duration {
	if s.unlinked == 0 || ctx.Err() != nil {
		return 0 // what is left goes with the next sweep
	}
	start := time.Now()
	err := s.Node.Collect(ctx)
	took := time.Since(start)
	w.Longest = max(w.Longest, took)
	switch {
	case err == nil:
		s.unlinked, s.walk = 0, took
	case w.Err == nil:
		w.Err = fmt.Errorf("freeing the files of %d removed records: %w", s.unlinked, err)
	}
	return took
}
