package node

import (
	"context"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/space"
)

// Outlook is what a forecast of a node is made from, and what it was.
type Outlook struct {
	Plan     space.Plan
	Forecast space.Forecast
}

// Outlook looks what there is on the node before some jobs are built there, in their
// order, by so many workers.
func (n *Node) Outlook(ctx context.Context, jobs []int, workers int) Outlook {
	p := space.Plan{Workers: workers, Keep: n.Prune.Policy == PruneOff}
	if report, err := n.Look(ctx); err == nil {
		t := report.Totals()
		p.Reclaimable = t.Dead.Bytes + t.LeftOver.Bytes
		pinned, bytes := report.Pinned()
		p.Pinned = pinned
		n.foreign.Store(report.Strange() + bytes)
		for v := range report.Sizes().Vertices {
			p.Present = append(p.Present, v)
		}
	}
	if g, used := n.space.tightest(ctx); g != nil {
		p.Limit, p.Used = g.limit, used
	}
	p.Reclaimable = min(p.Reclaimable, p.Used)
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	p.Sizes = n.space.book.Sizes.Clone() // the first jobs may run already, and more is learned from them
	for _, job := range jobs {
		p.Jobs = append(p.Jobs, n.space.jobs[job])
	}
	return Outlook{Plan: p, Forecast: space.Simulate(p)}
}

// Tightest is the bound with the least room, as a person reads it.
type Tightest struct {
	Bound string
	Limit space.Limit
	// Used is what is used of it now, Others of that what was not the node's cache when
	// the run began.
	Used, Others int64
}

// Tightest returns the bound with the least room; nil where there is none that can be
// read.
func (n *Node) Tightest(ctx context.Context) *Tightest {
	g, used := n.space.tightest(ctx)
	if g == nil {
		return nil
	}
	return &Tightest{Bound: g.name, Limit: g.limit, Used: used, Others: g.others}
}

// Sample is how full the node was when that was last seen; it asks nobody.
func (n *Node) Sample() journal.Sampled {
	a := n.space
	a.mu.Lock()
	defer a.mu.Unlock()
	s := journal.Sampled{Node: n.Name(), ReservedBytes: a.book.Reserved()}
	for _, g := range a.bounds {
		used := a.last[g.name]
		if s.Bound == "" || g.limit.High-used < s.HighBytes-s.UsedBytes {
			s.Bound, s.UsedBytes, s.HighBytes = g.name, used, g.limit.High
		}
		s.Unknown = s.Unknown || a.unread[g.name]
	}
	return s
}

// Totals adds what was swept on the node to what was on others.
func (n *Node) Totals(p *ledger.Prune, c *ledger.Cache) {
	if n.sweeper == nil {
		return
	}
	t := n.sweeper.Counts()
	p.Sweeps += t.Sweeps
	p.Slices += t.Slices
	p.DeadRecords += t.Dead.Records
	p.DeadBytes += t.Dead.Bytes
	p.ReclaimedRecords += t.Removed.Records
	p.ReclaimedBytes += t.Removed.Bytes
	p.RefusedRecords += t.Refusals
	p.LiveRemovedRecords += t.Astray.Records
	p.LeftRecords += t.Left.Records
	p.LeftBytes += t.Left.Bytes
	p.LongestSliceSeconds = max(p.LongestSliceSeconds, journal.Seconds(t.Longest))
	for _, f := range t.Failures {
		p.Failures = append(p.Failures, n.Name()+": "+f)
	}
	c.StartBytes += t.StartBytes
	c.PeakBytes += t.PeakBytes
	c.EndBytes += t.EndBytes
}

// Outcome sets a forecast and what came of it side by side; nil where nothing bounds the node.
// What was needed at least is told with what was learned since.
func (n *Node) Outcome(ctx context.Context, o Outlook) *ledger.Space {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	g, _ := n.space.tightest(ctx)
	if g == nil {
		return nil
	}
	a := n.space
	a.mu.Lock()
	defer a.mu.Unlock()
	learned := o.Plan
	learned.Sizes = a.book.Sizes
	return &ledger.Space{
		Bound: g.name, HighBytes: g.limit.High, LowBytes: g.limit.Low, OtherBytes: g.others,
		ForecastPeakBytes: o.Forecast.PeakBytes, PeakBytes: a.peaks[g.name], Waits: a.waits,
		LeastBytes: space.Simulate(learned).LeastBytes, CacheBytesPerPulledByte: a.book.Rates.PerByte, OwnBytesPerJob: a.book.Rates.Own,
	}
}

// Foreign is the bytes of cache that were not this run's at the start and stay, or 0 on
// a node that nobody else uses: there it is only what no job's end makes useless, such as
// cache mounts.
func (n *Node) Foreign() int64 {
	if n.Prune.Owner == cache.Exclusive {
		return 0
	}
	return n.foreign.Load()
}
