package node

import (
	"context"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/sweep"
)

// PrunePolicy says when the cache is swept.
type PrunePolicy string

// The policies.
const (
	// PruneAuto removes what is dead above the low watermark, the least useful for a
	// next run first, and what is needed latest only if that is not enough.
	PruneAuto PrunePolicy = "auto"
	// PruneCompleted sweeps after each batch, all that is dead.
	PruneCompleted PrunePolicy = "completed"
	// PruneOff sweeps only when the disk is nearly full, see Threshold.
	PruneOff PrunePolicy = "off"
)

// PruneOptions say how the cache is swept.
type PruneOptions struct {
	Policy PrunePolicy
	By     sweep.By
	// Owner says who uses the builder.
	Owner cache.Ownership
	// Pause is how long one delete call may take, Timeout how long one sweep.
	Pause, Timeout time.Duration
	// Threshold is how full the node's disk may be after a batch, in percent, before
	// the cache is trimmed to KeepBytes.
	Threshold float64
	KeepBytes int64
	// Foreign allows to remove records that are not of this plan when trimming.
	Foreign bool
}

func (n *Node) sweepOptions(background context.Context, before []cache.Record) sweep.Options {
	var bytes int64
	for i := range before {
		bytes += before[i].Size
	}
	return sweep.Options{
		Node: n.Daemon, By: n.Prune.By, Pause: n.Prune.Pause, Timeout: n.Prune.Timeout, Busy: n.attempts.busy, StartBytes: bytes,
		Attend: func(ctx context.Context) (context.Context, func()) { return n.attend(ctx, forSweep) },
		Heard:  n.whileHeard,
		View: func(records []cache.Record) cache.View {
			if n.Needs.Known() {
				n.keep.strangers.ask(background, n.Needs.Strangers(records)) // the next look knows
			}
			return cache.View{Records: records, Needs: n.Needs.Needs, Node: n.Number, Memory: n.keep.memory, Before: n.keep.before,
				Owner: n.Prune.Owner, Imports: n.Imports, Explain: n.keep.strangers.explain}
		},
		Surplus: n.space.surplus,
		Started: func(batch int) {
			n.Journal.Tell(journal.SweepStarted{Node: n.Name(), Batch: max(batch, 0), Pressure: batch == sweep.Relief})
		},
		Finished: func(w sweep.Sweep) {
			n.swept(w)
			n.trim(background)
		},
	}
}

// swept tells what a sweep did, if its start was told, and that space may have come free.
func (n *Node) swept(w sweep.Sweep) {
	if !w.Told {
		return
	}
	e := journal.SweepFinished{
		Node: n.Name(), Batch: max(w.Batch, 0), Pressure: w.Batch == sweep.Relief, Slices: w.Slices,
		DeadRecords: w.Dead.Records, DeadBytes: w.Dead.Bytes,
		BusyRecords: w.Busy.Records, BusyBytes: w.Busy.Bytes,
		ReclaimedRecords: w.Removed.Records, ReclaimedBytes: w.Removed.Bytes,
		RefusedRecords: w.Refused.Records, RefusedBytes: w.Refused.Bytes,
		LiveRemovedRecords: w.Astray.Records,
		LongestSlice:       journal.Seconds(w.Longest), Duration: journal.Seconds(w.Duration),
	}
	if w.Err != nil {
		e.Error = w.Err.Error()
		n.warn("", "a sweep of %s failed: %s", n.Name(), w.Err)
	}
	n.Journal.Tell(e)
	if w.Removed.Records > 0 && n.Freed != nil {
		n.Freed()
	}
}

// BatchDone sweeps after the last job of a batch has finished, whose jobs have these
// base images: in the background, but for PruneOff.
func (n *Node) BatchDone(ctx context.Context, batch int, images []string) {
	if n.sweeper == nil {
		return
	}
	switch n.Prune.Policy {
	case PruneCompleted:
		n.sweeper.Queue(sweep.Batch{Number: batch, Images: images})
	case PruneOff:
		n.trim(context.WithoutCancel(ctx))
	}
}

// JobDone learns from a job that has finished, the last of some, and has a surplus
// removed. It returns soon.
func (n *Node) JobDone(ctx context.Context, finished int) {
	n.disk.hold()
	if n.sweeper == nil {
		return
	}
	ctx, stop := n.whileHeard(ctx)
	defer stop()
	if n.space.worthLook(finished, n.Prune.Owner == cache.Shared) {
		_, _ = n.Look(ctx)
	}
	if n.Prune.Policy == PruneAuto && n.Needs.Known() && n.space.surplus(ctx) > 0 {
		n.sweeper.Relieve()
	}
}

// trim is the fallback after a batch and its sweep: where no other is queued and the
// disk is still too full, no attempt begins until the cache is small enough.
func (n *Node) trim(ctx context.Context) {
	if n.Prune.Policy == PruneAuto || n.sweeper == nil || n.sweeper.Queued() || !n.tooFull() {
		return
	}
	release := n.attempts.hold()
	defer release()
	ctx, stop := n.attend(ctx, forSweep)
	defer stop()
	n.swept(n.sweeper.Trim(ctx, n.Prune.KeepBytes, n.Prune.Foreign))
}

// tooFull tells whether the disk is fuller than the threshold; where it cannot be seen,
// whether the cache is larger than what may be kept.
func (n *Node) tooFull() bool {
	if root := n.Daemon.Root(); root != "" {
		if disk, err := n.DiskOf(root); err == nil {
			return disk.UsedPercent() > n.Prune.Threshold
		}
	}
	return n.sweeper.Counts().EndBytes > n.Prune.KeepBytes
}
