package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/sweep"
)

// Begin returns when an attempt may begin on the node; end must be called once it has
// ended. The error is the cause of ctx's end.
func (n *Node) Begin(ctx context.Context) (end func(), err error) {
	if err := n.attempts.begin(ctx); err != nil {
		return nil, err
	}
	n.disk.hold()
	return n.attempts.end, nil
}

// ErrNothingToMend says that a node is not to be had back.
var ErrNothingToMend = errors.New("--recover=false")

// Recover returns when a daemon that was lost answers again; a private one is started
// anew. It is the turn of one at a time, among all processes that share it.
func (n *Node) Recover(ctx context.Context) error {
	if n.Recovery == nil {
		return ErrNothingToMend
	}
	_, err := n.Recovery.Take(ctx, "", func(ctx context.Context) error {
		if n.disk != nil { // else it was lost before anything was held
			n.disk.dropWhenTight() // no daemon starts on a full disk
		}
		return n.Daemon.Recover(ctx, n.Recovery.Interval)
	})
	if err != nil {
		return fmt.Errorf("the builder did not come back: %w", err)
	}
	return nil
}

// EndStuck deals with a job that has stood still although the daemon answers. Where its disk
// was full since it was last ended for that, a layer may be locked for good: containerd takes
// the lock of a layer that is to be written before it notes it in its database, and keeps it
// where there is no room for that (contentStore.Writer in its core/metadata). All that need
// the layer wait until the daemon has ended. A private one is ended here.
func (n *Node) EndStuck() (full, ended bool) {
	if n.disk == nil {
		return false, false
	}
	n.disk.ending.Lock()
	defer n.disk.ending.Unlock()
	if !n.disk.full.after(&n.disk.ended) {
		return false, false
	}
	if n.Recovery == nil || !n.Daemon.End() {
		return true, false
	}
	n.disk.ended.note(time.Now())
	return true, true
}

// NoteLost notes that the daemon was lost, which may leave its cache broken.
func (n *Node) NoteLost() { n.lost.note(time.Now()) }

// Broken is what a broken cache shows to a job, and how it is mended.
type Broken struct {
	Job  int
	Way  journal.Mending
	Base string // a name for what the job is built on
	// Related tells of other jobs whether their base images have a layer in common
	// with the job's.
	Related func(job int) bool
}

// Mend removes what a broken cache would show to the next attempt: the job's own
// records, then its own base layers too, and at last all that has to do with its base,
// whoever needs it: what is broken is of no use to them either. What running builds hold
// cannot go; it is waited for a while until they let it go, as those do that fail of it, and
// nobody is kept from building meanwhile. It is skipped where the same has just been done.
func (n *Node) Mend(ctx context.Context, b Broken) (freed Freed, skipped bool, err error) {
	if n.sweeper == nil || n.Recovery == nil {
		return Freed{}, true, nil
	}
	done, err := n.Recovery.Take(ctx, b.thing(), func(ctx context.Context) error {
		attended, stop := n.attend(ctx, forMend)
		defer stop()
		n.collect(attended)
		freed = n.mend(attended, b)
		return lostIn(attended)
	})
	return freed, !done, err
}

// thing is what other jobs and processes would mend, too; empty for nothing.
func (b Broken) thing() string {
	switch b.Way {
	case journal.MendBase:
		return "base " + b.Base
	case journal.MendNoCache:
		return "all of " + b.Base
	}
	return ""
}

func (n *Node) mend(ctx context.Context, b Broken) (all Freed) {
	for end := time.Now().Add(mendPatience); ; {
		freed := n.removeBroken(ctx, b)
		all.Records += freed.Records
		all.Bytes += freed.Bytes
		if b.Way != journal.MendNoCache || !n.isHeld(ctx, b) || time.Now().After(end) {
			return all
		}
		select {
		case <-time.After(mendPause):
		case <-ctx.Done():
			return all
		}
	}
}

const (
	// How long builds are waited for that hold what may be broken, and how often it is
	// looked whether they do.
	mendPatience = 30 * time.Second
	mendPause    = time.Second
)

// isHeld tells whether there still is something that has to do with a job's base.
func (n *Node) isHeld(ctx context.Context, b Broken) bool {
	report, err := n.Look(ctx)
	return err == nil && report.Wanted(func(w cache.Wanting) bool { return w.Any(b.Related) }) > 0
}

// removeBroken removes once what a way of mending takes.
func (n *Node) removeBroken(ctx context.Context, b Broken) (all Freed) {
	own := func(s *sweep.Sweeper) sweep.Sweep {
		return s.Mend(ctx, b.Job, func(v cache.Verdict) bool { return !v.Layer || b.Way != journal.MendOwn })
	}
	ways := []func(*sweep.Sweeper) sweep.Sweep{own}
	if b.Way == journal.MendNoCache {
		related := func(w cache.Wanting) bool { return w.Any(b.Related) }
		ways = append(ways,
			func(s *sweep.Sweeper) sweep.Sweep { return s.Free(ctx, everything) },
			func(s *sweep.Sweeper) sweep.Sweep { return s.Evict(ctx, everything, related) })
	}
	for _, way := range ways {
		freed := n.remove(way)
		all.Records += freed.Records
		all.Bytes += freed.Bytes
	}
	return all
}
