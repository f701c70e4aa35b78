// Package node is one BuildKit daemon of a run and all that is kept of it: whose its
// records are, what fits on it, its sweeper, the state of its disk, and how it is had
// back when it is lost.
package node

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/sweep"
	"github.com/stoker-build/stoker/internal/visible"
)

// Daemon is one BuildKit daemon. Its methods may be called concurrently.
type Daemon interface {
	sweep.Node
	// ID is the daemon's own: equal as long as it is the same cache.
	ID() string
	// Root is where it keeps its cache on this machine; empty where that cannot be
	// seen.
	Root() string
	// Forget has it drop what it keeps of some builds of the run that have ended,
	// which takes space too, and tells of how many.
	Forget(ctx context.Context) int
	// Answers returns an error when it does not answer.
	Answers(ctx context.Context) error
	// Recover returns when it answers again. A private one is restarted, but while it
	// still runs not within restartPause of its start.
	Recover(ctx context.Context, restartPause time.Duration) error
	// End ends a private one at once, also where it answers, so that Recover starts it anew.
	// It tells whether there was one.
	End() bool
	// DiskFull finds out whether its disk is full, where that cannot be seen.
	DiskFull(ctx context.Context) bool
	// Layers tells found of what layers images consist, from several goroutines.
	// Images of which that cannot be told are left out.
	Layers(ctx context.Context, refs []string, found func(ref string, layers graph.ImageLayers)) error
	// Pull has it pull the layers of images, as a build would that needs their files, and
	// run nothing; builder.ErrNoPull where it does not do that. Layers that came are told.
	Pull(ctx context.Context, images []graph.Image, pulled func(builder.Pulled)) error
	// TellsPulled tells whether it tells which layers it pulls.
	TellsPulled() bool
}

// Attributions keep what is known of daemons' records from run to run.
type Attributions interface {
	// Open returns what is known of a daemon's records, by its ID. What happens to
	// the memory is kept until close is called.
	Open(daemon string) (memory *cache.Memory, close func() error, err error)
}

// Needs are what the unfinished jobs of a run need. Until it is known what all of them
// do, nothing may be removed.
type Needs struct {
	*cache.Needs
	// All is closed once that is known.
	All <-chan struct{}
}

// Known tells whether it is known what all jobs do.
func (n Needs) Known() bool {
	select {
	case <-n.All:
		return true
	default:
		return false
	}
}

// Await returns when that is known. The error is the cause of ctx's end.
func (n Needs) Await(ctx context.Context) error {
	select {
	case <-n.All:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Options say what a node is, and how it is used.
type Options struct {
	Daemon Daemon
	// Number is the node's, as Needs counts them.
	Number int
	Needs  Needs
	// Imports says that jobs import cache from elsewhere.
	Imports bool
	Prune   PruneOptions
	Space   SpaceOptions
	// Recovery gives turns at mending the daemon; nil to mend nothing.
	Recovery *recovery.Turns
	// Attributions are kept for later runs; nil for not at all.
	Attributions Attributions
	Journal      *journal.Journal
	// Freed is told that space may have come free. It must return at once.
	Freed func()
	// Lost is told that the daemon does not list its records at the start, and is waited
	// for; may be nil. It must return at once.
	Lost func()
	// DiskOf tells of the file system that holds a path; builder.DiskOf when nil.
	DiskOf func(path string) (builder.Disk, error)
}

// Node is one daemon in a run. Its methods may be called concurrently.
//
// Large: it is the one way to all that is kept of a daemon; what its methods do is its
// parts' to do.
type Node struct {
	Options
	attempts *attempts
	space    *room
	disk     *disk
	keep     *keeper // nil where the records could not be listed: then nothing is removed
	sweeper  *sweep.Sweeper
	lost     lastTime // when it did not answer
	unheard  lastTime // the same, also where it was not waited for any longer
	silent   lastTime // when the journal was told that it does not, while it is needed
	foreign  atomic.Int64
	seenLast bool                      // it could be looked at when it was closed
	stop     func(ctx context.Context) // ends the sweeper and what watches the disk
	pulls    pulls
	pulled   pulled
}

// Open notes what a daemon holds before the first build, and begins to sweep it and to
// watch its disk. It must be closed. A daemon that does not list its records is not
// swept, which the journal tells.
func Open(ctx context.Context, o Options) *Node {
	if o.DiskOf == nil {
		o.DiskOf = builder.DiskOf
	}
	n := &Node{Options: o, attempts: newAttempts(), space: newRoom(o.Space)}
	n.attempts.quiet = n.pulls.end
	n.space.unreadable = func(g gauge, err error) {
		if n.unheard.within(silenceTold, time.Now()) {
			return // that is why, and it is told
		}
		n.warn("", "%s of %s cannot be read, so that jobs start one at a time until it can: %s", g.name, n.Name(), err)
	}
	// Sweeping goes on while the jobs end that an interrupt cuts short.
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	records, err := n.recordsBefore(ctx)
	switch {
	case err != nil && ctx.Err() != nil: // nothing is built any more
	case err != nil:
		n.warn("", "nothing is swept on %s: its records cannot be listed: %s", n.Name(), err)
	default:
		n.keep = n.openKeeper(records)
		n.sweeper = sweep.Start(background, n.sweepOptions(background, records))
	}
	n.bound()
	unwatch := n.disk.watch(n.space)
	n.stop = func(ctx context.Context) {
		unwatch()
		if n.sweeper != nil {
			ending, done := context.WithTimeout(ctx, sweepEnd)
			n.sweeper.End(ending)
			done()
		}
		cancel()
		if n.sweeper != nil {
			n.sweeper.Wait()
			n.keep.strangers.wait()
		}
		n.disk.drop()
	}
	return n
}

// sweepEnd is how long a call of a sweep may still take when the run is over.
const sweepEnd = 5 * time.Second

// Close ends the sweeping, after a last sweep of all that is dead where ctx still
// allows and the policy says so, and keeps what was learned of the records.
func (n *Node) Close(ctx context.Context) {
	if n.sweeper != nil && n.Prune.Policy == PruneCompleted && ctx.Err() == nil {
		attended, stop := n.attend(ctx, forSweep)
		n.sweeper.Drain(attended)
		stop()
	}
	ending, done := n.ending(ctx)
	defer done()
	n.stop(ending)
	n.closeKeeper(ending)
}

// leftEnd bounds all that is still asked of a node when a run is left.
const leftEnd = 4 * time.Second

// ending returns a context for what is still asked when all is over. Where the run is left,
// that is soon over as well: a person waits for it, and the daemon may stand still.
func (n *Node) ending(ctx context.Context) (ending context.Context, done func()) {
	left := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	if !left {
		return ctx, func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, leftEnd)
	heard, stop := n.whileHeard(ctx)
	return heard, func() {
		stop()
		cancel()
	}
}

// IsOpen tells whether the daemon has listed its records; else it is not swept.
func (n *Node) IsOpen() bool { return n.sweeper != nil }

// Name is the daemon's.
func (n *Node) Name() string { return n.Daemon.Name() }

// recordsBefore lists the records before the first build. A daemon that was lost since
// it was connected to is waited for.
func (n *Node) recordsBefore(ctx context.Context) ([]cache.Record, error) {
	records, err := n.list(ctx)
	if err == nil || ctx.Err() != nil {
		return records, err
	}
	n.Journal.Tell(journal.BuilderLost{Error: visible.FirstLine(err.Error()), Node: n.Name()})
	if n.Lost != nil {
		n.Lost()
	}
	if back := n.Recover(ctx); back != nil {
		return nil, errors.Join(err, back)
	}
	n.Journal.Tell(journal.Recovered{Mending: journal.MendBuilder, Node: n.Name()})
	return n.list(ctx)
}

// lookTimeout bounds a listing of the cache, which takes seconds at most once the
// sizes of its records are known.
const lookTimeout = time.Minute

// firstLookTimeout bounds the first one: BuildKit works each size out once, which
// takes half a millisecond for each record.
const firstLookTimeout = 5 * time.Minute

func (n *Node) list(ctx context.Context) ([]cache.Record, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, firstLookTimeout, fmt.Errorf("it did not list its cache within %s", firstLookTimeout))
	defer cancel()
	ctx, stop := n.attend(ctx, forList)
	defer stop()
	records, err := n.Daemon.Records(ctx)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return records, err
}

// Look lists the daemon's cache and judges it, and learns from it what is there and
// what it takes. It ends in time by itself.
func (n *Node) Look(ctx context.Context) (*cache.Report, error) {
	if n.sweeper == nil {
		return nil, errors.New("its records cannot be listed")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("it did not list its cache within %s", lookTimeout))
	defer cancel()
	report, err := n.sweeper.Look(ctx)
	if err != nil {
		return nil, err
	}
	n.space.learn(n.Needs.Needs, report)
	return report, nil
}

// warn tells a person something that stops nothing, about a job or, where its name is
// empty, about the node.
func (n *Node) warn(job, format string, args ...any) {
	n.Journal.Tell(journal.Warning{Job: job, Message: fmt.Sprintf(format, args...)})
}
