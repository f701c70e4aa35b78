package engine

import (
	"context"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/sweep"
)

// PrunePolicy says when the cache is swept.
type PrunePolicy string

// The policies.
const (
	// PruneAuto removes what is dead above the low watermark, the least useful
	// for a next run first, and what is needed latest only if that is not
	// enough.
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
	// Threshold is how full the builder's disk may be after a batch, in
	// percent, before the cache is trimmed to KeepBytes.
	Threshold float64
	KeepBytes int64
	// Foreign allows to remove records that are not of this plan when trimming.
	Foreign bool
}

// sweepEnd is how long a call of a sweep may still take when the run is over.
const sweepEnd = 5 * time.Second

// startSweepers notes what the nodes hold before the first build, and begins to
// sweep. The returned function drains the sweepers; it must be called.
func (r *run) startSweepers(ctx context.Context) (stop func()) {
	// Sweeping goes on while the jobs end that an interrupt cuts short.
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	for _, n := range r.Nodes {
		records, err := r.recordsBefore(ctx, n)
		if err != nil && r.recoverBuilder(ctx) == nil {
			// It was lost since it was connected to.
			records, err = r.recordsBefore(ctx, n)
		}
		if err != nil {
			r.warn("", "nothing is swept on %s: its records cannot be listed: %s", n.Name(), err)
			continue
		}
		state := r.openNode(n, records)
		r.sweepers = append(r.sweepers, sweep.Start(background, r.sweepOptions(background, n, state, records)))
	}
	return func() {
		defer func() {
			ending, stop := context.WithTimeout(background, sweepEnd)
			defer stop()
			for _, s := range r.sweepers {
				s.End(ending)
			}
			cancel()
			for _, s := range r.sweepers {
				s.Wait()
			}
			for _, s := range r.nodes {
				s.strangers.wait()
			}
		}()
		if ctx.Err() != nil {
			// A person wants to leave: what is dead stays for the next run.
			return
		}
		for _, s := range r.sweepers {
			if r.Prune.Policy == PruneCompleted {
				s.Drain(background)
			}
		}
	}
}

func (r *run) recordsBefore(ctx context.Context, n Node) ([]cache.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Prune.Timeout)
	defer cancel()
	return n.Records(ctx)
}

func (r *run) sweepOptions(background context.Context, n Node, state *nodeState, before []cache.Record) sweep.Options {
	var bytes int64
	for i := range before {
		bytes += before[i].Size
	}
	return sweep.Options{
		Node: n, By: r.Prune.By, Pause: r.Prune.Pause, Timeout: r.Prune.Timeout, Busy: r.busy, StartBytes: bytes,
		View: func(records []cache.Record) cache.View {
			if r.isKnown() {
				state.strangers.ask(background, r.needs.Strangers(records)) // the next look knows
			}
			return cache.View{Records: records, Needs: r.needs, Memory: state.memory, Before: state.before,
				Owner: r.Prune.Owner, Imports: r.imports, Explain: state.strangers.explain}
		},
		Surplus: r.surplus,
		Started: func(b sweep.Batch) {
			r.Journal.Tell(journal.SweepStarted{Node: n.Name(), Batch: max(b.Number, 0), Pressure: b.Number == sweep.Relief})
		},
		Finished: func(w sweep.Sweep) {
			r.swept(n, w, w.Batch == sweep.Relief)
			r.trim(n)
		},
	}
}

// surplus is the bytes above the low watermark of the fullest bound.
func (r *run) surplus(ctx context.Context) (most int64) {
	for _, g := range r.room.bounds() {
		if used, err := g.used(ctx); err == nil {
			most = max(most, g.limit.Surplus(used))
		}
	}
	return most
}

// swept tells what a sweep did, and wakes who waits for space.
func (r *run) swept(n Node, w sweep.Sweep, pressure bool) {
	if w.Removed.Records > 0 {
		r.room.freed()
	}
	e := journal.SweepFinished{
		Node: n.Name(), Batch: max(w.Batch, 0), Pressure: pressure, Slices: w.Slices,
		DeadRecords: w.Dead.Records, DeadBytes: w.Dead.Bytes,
		BusyRecords: w.Busy.Records, BusyBytes: w.Busy.Bytes,
		ReclaimedRecords: w.Removed.Records, ReclaimedBytes: w.Removed.Bytes,
		RefusedRecords: w.Refused.Records, RefusedBytes: w.Refused.Bytes,
		LiveRemovedRecords: w.Astray.Records,
		LongestSlice:       seconds(w.Longest), Duration: seconds(w.Duration),
	}
	if w.Err != nil {
		e.Error = w.Err.Error()
		r.warn("", "a sweep of %s failed: %s", n.Name(), w.Err)
	}
	r.Journal.Tell(e)
}

// sweepBatch has a batch swept whose last job has finished.
func (r *run) sweepBatch(batch int) {
	if len(r.sweepers) == 0 || r.delays(batch) {
		return
	}
	b := sweep.Batch{Number: batch}
	for i, job := range r.Plan.Jobs {
		if r.Plan.Batch(i) == batch && job.Base != "" {
			b.Images = append(b.Images, job.Base)
		}
	}
	for _, s := range r.sweepers {
		switch r.Prune.Policy {
		case PruneCompleted:
			s.Queue(b)
		case PruneOff:
			r.trim(r.nodeOf(s))
		}
	}
}

// afterJob learns from a finished job, and has a surplus removed.
func (r *run) afterJob(ctx context.Context, t *task) {
	r.giveWorkerBack(ctx, t)
	r.holdBallast()
	if r.room.worthLook(len(r.Ledger.Entries()), r.Prune.Owner == cache.Shared) {
		_, _ = r.cacheBytes(ctx)
	}
	if r.Prune.Policy == PruneAuto && r.isKnown() && r.surplus(ctx) > 0 {
		for _, s := range r.sweepers {
			s.Relieve()
		}
	}
}

func (r *run) nodeOf(s *sweep.Sweeper) Node {
	for _, n := range r.Nodes {
		if n == s.Node {
			return n
		}
	}
	return nil
}

// trim is the fallback after a batch and its sweep: when none is queued and the disk
// is still too full, no job starts until the cache is small enough.
func (r *run) trim(n Node) {
	s := r.sweeperOf(n)
	if s == nil || r.Prune.Policy == PruneAuto || s.Queued() || !r.tooFull(n, s) {
		return
	}
	r.gate.Lock()
	defer r.gate.Unlock()
	r.Journal.Tell(journal.SweepStarted{Node: n.Name(), Pressure: true})
	w := s.Trim(context.Background(), r.Prune.KeepBytes, r.Prune.Foreign)
	r.swept(n, w, true)
}

func (r *run) sweeperOf(n Node) *sweep.Sweeper {
	for _, s := range r.sweepers {
		if s.Node == n {
			return s
		}
	}
	return nil
}

// tooFull tells whether a node's disk is fuller than the threshold; where the
// disk cannot be seen, whether its cache is larger than what may be kept.
func (r *run) tooFull(n Node, s *sweep.Sweeper) bool {
	if n.Root() != "" {
		if disk, err := builder.DiskOf(n.Root()); err == nil {
			return disk.UsedPercent() > r.Prune.Threshold
		}
	}
	return s.Counts().EndBytes > r.Prune.KeepBytes
}

// sweepTotals adds up what was swept on all nodes.
func (r *run) sweepTotals() (*ledger.Prune, *ledger.Cache) {
	p := &ledger.Prune{Policy: string(r.Prune.Policy), By: string(r.Prune.By)}
	c := &ledger.Cache{}
	for _, s := range r.sweepers {
		n := s.Counts()
		p.Sweeps += n.Sweeps
		p.Slices += n.Slices
		p.DeadRecords += n.Dead.Records
		p.DeadBytes += n.Dead.Bytes
		p.ReclaimedRecords += n.Removed.Records
		p.ReclaimedBytes += n.Removed.Bytes
		p.RefusedRecords += n.Refusals
		p.LiveRemovedRecords += n.Astray.Records
		p.LeftRecords += n.Left.Records
		p.LeftBytes += n.Left.Bytes
		p.LongestSliceSeconds = max(p.LongestSliceSeconds, seconds(n.Longest))
		for _, f := range n.Failures {
			p.Failures = append(p.Failures, s.Node.Name()+": "+f)
		}
		c.StartBytes += n.StartBytes
		c.PeakBytes += n.PeakBytes
		c.EndBytes += n.EndBytes
	}
	return p, c
}
