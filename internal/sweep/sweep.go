// Package sweep removes dead records from one node in the background, while the
// next images build. It decides nothing: what is dead, and in which order it
// goes, are the cache package's to say; the sweeper keeps the pace and counts
// what BuildKit says it removed.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// Node is the daemon that is swept.
type Node interface {
	Name() string
	// Records lists the cache.
	Records(ctx context.Context) ([]cache.Record, error)
	// Delete removes records by exact id and returns those that were removed,
	// also beside an error.
	Delete(ctx context.Context, ids []string) ([]cache.Record, error)
	// Unlink is Delete, but leaves the files for Collect to free: a shorter call,
	// for which builds wait less.
	Unlink(ctx context.Context, ids []string) ([]cache.Record, error)
	// Collect frees what no record holds any more, such as the files of failed
	// steps.
	Collect(ctx context.Context) error
	// DeleteByDescription removes the records that are named after an image.
	DeleteByDescription(ctx context.Context, images []string) ([]cache.Record, error)
}

// By says how a sweep finds what it removes.
type By string

// The ways to find what to remove.
const (
	// ByLineage removes exactly the dead records, by id.
	ByLineage By = "lineage"
	// ByDescription asks BuildKit to remove what is named after the base images
	// of a batch, one batch later. After a normal build that is nothing: the
	// layers that carry the name have records above them.
	ByDescription By = "description"
)

// Options say how a node is swept.
type Options struct {
	Node Node
	// View completes a list of records to what can be judged.
	View func(records []cache.Record) cache.View
	By   By
	// Pause is how long one slice may take; the size of slices adapts to it.
	Pause time.Duration
	// Timeout bounds one sweep; what is left goes to the next.
	Timeout time.Duration
	// Busy tells whether builds run, to which a sweep yields.
	Busy func() bool
	// Attend ends a queued sweep, which nobody waits for, whose node does not answer any
	// more; stop ends that. Nil for not at all.
	Attend func(ctx context.Context) (attended context.Context, stop func())
	// Heard ends what can be done without as soon as the node does not answer; stop ends
	// that. Nil for not at all.
	Heard func(ctx context.Context) (heard context.Context, stop func())
	// StartBytes is the size of the cache when the run began.
	StartBytes int64
	// Surplus returns the bytes by which too much is used, for Relieve.
	Surplus func(ctx context.Context) int64
	// Started is told of a batch's sweep when it begins, and of one that makes room, whose
	// batch is Relief, once it has found something or failed. Finished is told of each
	// queued sweep. They may be nil.
	Started  func(batch int)
	Finished func(Sweep)
}

// Relief stands for a batch's number in a sweep that only makes room.
const Relief = -1

// Batch is a batch whose last job has finished. Number 0 is the sweep at the
// end of a run.
type Batch struct {
	Number int
	Images []string // the base images of its jobs
}

// Sweep is what one sweep did.
//
// Large: a field for each thing that is told of a sweep.
type Sweep struct {
	Batch    int
	Dead     cache.Sum     // what was found dead
	Busy     cache.Sum     // of that, what running builds hold
	Removed  cache.Sum     // what BuildKit says it removed
	Refused  cache.Sum     // what BuildKit left, although it was asked
	Astray   cache.Sum     // removed, but was not asked for; must be 0
	Slices   int           // calls that removed records
	Longest  time.Duration // the longest call, those that collect included
	Duration time.Duration // of the whole sweep
	TimedOut bool          // Timeout ended it
	Left     bool          // its caller ended it: somebody else goes first, or the run ends
	Err      error         // why it failed, if it did; what was left has not
	Told     bool          // Started was told of it

	urgent bool // it does not yield to builds
}

// Sweeper sweeps one node. Its methods may be called concurrently.
//
// Large: what is queued, what runs and what is removed change together; its files are by
// these.
type Sweeper struct {
	Options
	counts counts
	// sweeping has what the one sweep holds that runs; it guards removal.
	sweeping chan struct{}
	waiting  atomic.Int32 // sweeps that wait for it
	ending   atomic.Bool
	removal

	mu      sync.Mutex
	queue   []Batch
	held    Batch // by description: the batch that waits for the next
	running bool
	changed chan struct{} // closed and replaced when queue or running change
	stopped chan struct{}
	wake    chan struct{}
}

// Start begins to sweep in the background, until ctx is cancelled.
func Start(ctx context.Context, o Options) *Sweeper {
	if o.Busy == nil {
		o.Busy = func() bool { return false }
	}
	if o.Attend == nil {
		o.Attend = func(ctx context.Context) (context.Context, func()) { return ctx, func() {} }
	}
	s := &Sweeper{Options: o, removal: newRemoval(o.Pause), sweeping: make(chan struct{}, 1), changed: make(chan struct{}), stopped: make(chan struct{}), wake: make(chan struct{}, 1)}
	s.counts.c.StartBytes, s.counts.c.PeakBytes, s.counts.c.EndBytes = o.StartBytes, o.StartBytes, o.StartBytes
	go s.run(ctx)
	return s
}

// looks is how often a sweep whose end is waited for looks for records that were
// in use.
const looks = 5

// sweep takes one batch to its end.
func (s *Sweeper) sweep(ctx context.Context, b Batch) {
	w := s.alone(ctx, b.Number, func(ctx context.Context, w *Sweep) {
		ctx, stop := s.Attend(ctx)
		defer stop()
		switch {
		case s.By == ByDescription:
			s.byDescription(ctx, b, w)
		case b.Number == 0:
			s.last(ctx, w)
		case b.Number == Relief:
			s.relieve(ctx, w)
		default:
			s.byLineage(ctx, w)
		}
	})
	if s.Finished != nil {
		s.Finished(w)
	}
}

// alone runs one sweep, after any other has ended, and counts it. One that its caller
// ends has not failed.
func (s *Sweeper) alone(ctx context.Context, batch int, do func(context.Context, *Sweep)) Sweep {
	if !s.lock(ctx) {
		return Sweep{Batch: batch, Left: true}
	}
	defer func() { <-s.sweeping }()
	start := time.Now()
	timedOut := fmt.Errorf("the sweep took longer than %s", s.Timeout)
	bounded, cancel := context.WithTimeoutCause(ctx, s.Timeout, timedOut)
	defer cancel()
	w := Sweep{Batch: batch}
	if batch != Relief {
		s.tell(&w)
	}
	do(bounded, &w)
	switch {
	case ctx.Err() != nil:
		w.Left, w.Err = true, nil
	case errors.Is(context.Cause(bounded), timedOut):
		w.TimedOut, w.Err = true, timedOut
	}
	if w.Err != nil {
		s.tell(&w)
	}
	w.Duration = time.Since(start)
	s.counts.add(w)
	return w
}

// lock waits until no other sweep runs, and tells whether it could.
func (s *Sweeper) lock(ctx context.Context) bool {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	select {
	case s.sweeping <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// tell tells Started of a sweep, once.
func (s *Sweeper) tell(w *Sweep) {
	if !w.Told && s.Started != nil {
		s.Started(w.Batch)
	}
	w.Told = true
}

// last sweeps at the end of a run.
func (s *Sweeper) last(ctx context.Context, w *Sweep) {
	s.again(ctx, w, func() (left bool) {
		s.byLineage(ctx, w)
		return w.Dead != w.Removed
	})
}

// again repeats a removal while it leaves records that were in use: BuildKit lets
// go of them a moment after their build has ended.
func (s *Sweeper) again(ctx context.Context, w *Sweep, remove func() (left bool)) {
	for look := range looks {
		if left := remove(); !left || w.Err != nil || s.ending.Load() || !sleep(ctx, time.Duration(look+1)*100*time.Millisecond) {
			return
		}
	}
}

// byLineage removes all that is dead now, slice by slice.
func (s *Sweeper) byLineage(ctx context.Context, w *Sweep) {
	if report, ok := s.lookFor(ctx, w); ok {
		s.remove(ctx, report.Pick(cache.Policy{}), w)
	}
}

// relieve removes what no job needs as far as there is a surplus.
func (s *Sweeper) relieve(ctx context.Context, w *Sweep) {
	if report, ok := s.lookFor(ctx, w); ok {
		s.remove(ctx, upTo(report.Pick(unneeded), s.Surplus(ctx)), w)
	}
}

// byDescription asks BuildKit to remove what carries the images' names.
func (s *Sweeper) byDescription(ctx context.Context, b Batch, w *Sweep) {
	if len(b.Images) == 0 {
		return
	}
	start := time.Now()
	removed, err := s.Node.DeleteByDescription(ctx, b.Images)
	w.Slices, w.Longest = 1, time.Since(start)
	w.Removed = w.Removed.Plus(cache.SumOf(removed))
	if err != nil {
		w.Err = fmt.Errorf("pruning by description: %w", err)
	}
}

// Look lists the node's records and judges them.
func (s *Sweeper) Look(ctx context.Context) (*cache.Report, error) {
	records, err := s.Node.Records(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return nil, err
	}
	report := cache.Classify(s.View(records))
	s.counts.look(report)
	return report, nil
}

// sleep waits, and tells whether it could to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
