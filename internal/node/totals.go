package node

import (
	"context"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/space"
	"github.com/stoker-build/stoker/internal/sweep"
)

// Outlook is what a forecast of a node is made from, and what it was.
type Outlook struct {
	Plan     space.Plan
	Forecast space.Forecast
	// Tightest is the bound that it is of; nil where there is none that could be read.
	Tightest *Tightest
	used     map[string]int64 // of each bound that could
}

// Tightest is the bound with the least room, as a person reads it.
type Tightest struct {
	Bound string
	Limit space.Limit
	// Used is what is used of it now, Others of that what was not the node's cache when
	// the run began.
	Used, Others int64
}

// Outlook looks what there is on the node before some jobs are built there, in their
// order, by so many workers.
func (n *Node) Outlook(ctx context.Context, jobs []int, workers int) Outlook {
	ctx, stop := n.whileHeard(ctx)
	defer stop()
	p := space.Plan{Workers: workers, Keep: n.Prune.Policy == PruneOff}
	if report, err := n.Look(ctx); err == nil {
		t := report.Totals()
		p.Reclaimable = t.Dead.Bytes + t.LeftOver.Bytes
		pinned, bytes := report.Pinned()
		p.Pinned, p.Live = pinned, max(t.Live.Bytes-bytes, 0)
		n.foreign.Store(report.Strange() + bytes)
		for v := range report.Sizes().Vertices {
			p.Present = append(p.Present, v)
		}
	}
	g, used := n.space.tightest(ctx)
	o := Outlook{used: used}
	if g != nil {
		p.Limit, p.Used = g.limit, used[g.name]
		o.Tightest = &Tightest{Bound: g.name, Limit: g.limit, Used: p.Used, Others: g.others}
	}
	p.Reclaimable = min(p.Reclaimable, p.Used)
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	p.Sizes = n.space.book.Sizes.Clone() // the first jobs may run already, and more is learned from them
	for _, job := range jobs {
		p.Jobs = append(p.Jobs, n.space.jobs[job])
	}
	o.Plan, o.Forecast = p, space.Simulate(p)
	return o
}

// of is the same outlook at a bound, which may have become the tightest since. It is not
// known where that bound could not be read then.
func (o Outlook) of(g *gauge) (at Outlook, known bool) {
	if o.Tightest != nil && o.Tightest.Bound == g.name {
		return o, true
	}
	used, known := o.used[g.name]
	if !known {
		return Outlook{}, false
	}
	o.Plan.Limit, o.Plan.Used, o.Plan.Reclaimable = g.limit, used, min(o.Plan.Reclaimable, used)
	o.Forecast = space.Simulate(o.Plan)
	return o, true
}

// Sample is how full the node was when that was last seen; it asks nobody.
func (n *Node) Sample() journal.Sampled {
	s := n.level()
	if n.sweeper == nil {
		return s
	}
	if there := n.sweeper.Counts().There; there != nil {
		s.Cache = &journal.Parts{
			Live: there[cache.Live].Bytes, Dead: there[cache.Dead].Bytes,
			Foreign: there[cache.Foreign].Bytes, LeftOver: there[cache.LeftOver].Bytes,
		}
	}
	return s
}

// level is how near the node is to the tightest of its bounds.
func (n *Node) level() journal.Sampled {
	a := n.space
	a.mu.Lock()
	defer a.mu.Unlock()
	s := journal.Sampled{Node: n.Name(), ReservedBytes: a.book.Reserved()}
	for _, g := range a.bounds {
		used := a.levels[g.name].last
		if s.Bound == "" || g.limit.High-used < s.HighBytes-s.UsedBytes {
			s.Bound, s.UsedBytes, s.LowBytes, s.HighBytes = g.name, used, g.limit.Low, g.limit.High
		}
		s.Unknown = s.Unknown || a.unread[g.name]
	}
	return s
}

// Totals adds what was pulled and swept on the node to what was on others. What is not known of it
// is not known of all together, and is nil then. The node is closed.
func (n *Node) Totals(s *ledger.Summary) {
	s.PulledBytes = added(s.PulledBytes, n.pulledBytes())
	if n.sweeper == nil {
		s.Cache, s.Prune.Left = nil, nil
		return
	}
	t, p := n.sweeper.Counts(), s.Prune
	p.Sweeps += t.Sweeps
	p.RemovingSweeps += t.Removing
	p.Slices += t.Slices
	p.DeadRecords += t.Dead.Records
	p.DeadBytes += t.Dead.Bytes
	p.ReclaimedRecords += t.Removed.Records
	p.ReclaimedBytes += t.Removed.Bytes
	p.RefusedRecords += t.Refusals
	p.LiveRemovedRecords += t.Astray.Records
	p.LongestSliceSeconds = max(p.LongestSliceSeconds, journal.Seconds(t.Longest))
	for _, f := range t.Failures {
		p.Failures = append(p.Failures, n.Name()+": "+f)
	}
	if !n.seenLast {
		p.Left = nil
	}
	if p.Left != nil {
		p.LeftRecords += t.Left.Records
		p.LeftBytes += t.Left.Bytes
	}
	if s.Cache != nil {
		s.Cache.StartBytes += t.StartBytes
		s.Cache.PeakBytes += t.PeakBytes
		s.Cache.EndBytes = added(s.Cache.EndBytes, n.endBytes(t))
	}
}

// endBytes is the size of the node's cache at the end; nil where it is not known.
func (n *Node) endBytes(t sweep.Counts) *int64 {
	if !n.seenLast {
		return nil
	}
	return &t.EndBytes
}

// added adds what is known of one node to what is known of others; nil where either is not.
func added(others, own *int64) *int64 {
	if others == nil || own == nil {
		return nil
	}
	return new(*others + *own)
}

// Outcome sets a forecast and what came of it side by side, both of the bound that is the
// tightest now; nil where nothing bounds the node.
// What was needed at least is told of the jobs that ran here, with what was learned since,
// and is nil where it is not known what one of them does or takes.
func (n *Node) Outcome(ctx context.Context, o Outlook) *ledger.Space {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	ctx, stop := n.whileHeard(ctx)
	defer stop()
	g, used := n.space.tightest(ctx)
	if g == nil {
		return nil
	}
	for bound, bytes := range used {
		n.space.noteUsed(bound, bytes)
	}
	at, known := o.of(g)
	a := n.space
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &ledger.Space{
		Bound: g.name, HighBytes: g.limit.High, LowBytes: g.limit.Low, OtherBytes: g.others, PeakBytes: a.levels[g.name].peak, Waits: a.waits,
		CacheBytesPerPulledByte: a.book.Rates.PerByte,
	}
	if a.book.SawOwn() { // else it is what somebody said, or an earlier run
		s.OwnBytesPerJob = a.book.Rates.Own
	}
	if g.name == BudgetName && n.sweeper != nil {
		s.PeakBytes = max(s.PeakBytes, n.sweeper.Counts().PeakBytes) // its looks saw the same
	}
	if known {
		s.ForecastPeakBytes, s.LeastBytes = at.Forecast.PeakBytes, a.least(at.Plan)
	}
	return s
}

// least is what the jobs needed at least that had space here, by the plan of the start; nil
// where that is not known. The caller holds mu.
func (a *room) least(p space.Plan) *int64 {
	p.Sizes, p.Jobs = a.book.Sizes, nil
	ran := map[int]bool{}
	for _, job := range a.begun {
		if !ran[job] {
			ran[job], p.Jobs = true, append(p.Jobs, a.jobs[job])
		}
	}
	f := space.Simulate(p)
	if len(p.Jobs) == 0 || f.Unknown+f.Guessed > 0 {
		return nil
	}
	return &f.LeastBytes
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
