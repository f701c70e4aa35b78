package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/space"
)

// PlannedJob is a job in the order of a forecast.
type PlannedJob struct {
	Name  string   `json:"name"`
	Base  string   `json:"base_image"`
	Tags  []string `json:"tags"`
	Batch int      `json:"batch"`
	// Problem says why the job would fail before it is tried; empty if it would
	// not.
	Problem string `json:"problem,omitempty"`
}

// Planned is what a run would do.
type Planned struct {
	Jobs    []PlannedJob `json:"jobs"`
	Batches int          `json:"batches"`
	Workers int          `json:"workers"`
	// Skipped jobs' images exist already.
	Skipped int `json:"skipped"`
	// Forecast tells how the cache will grow and shrink.
	Forecast space.Forecast `json:"forecast"`
	// Bound is what limits it, such as a disk; empty when nothing is known to.
	Bound string      `json:"bound,omitempty"`
	Limit space.Limit `json:"limit"`
	// UsedBytes is what is used of that now, OtherBytes of it by others than the
	// builder's cache. They are in the forecast's sizes, too.
	UsedBytes  int64 `json:"used_bytes"`
	OtherBytes int64 `json:"other_bytes"`
}

// Forecast tells what Run would do with the same options, and builds nothing.
// It asks the registry, and the nodes if there are any; the ledger is not used.
func Forecast(ctx context.Context, opt Options) (Planned, error) {
	opt.Ledger = nil
	r := newRun(opt)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	tasks := r.check(ctx)
	stop := r.startSweepers(ctx)
	defer func() {
		cancel(nil) // nothing is swept
		stop()
	}()
	r.addGauges()
	tasks = r.survey(ctx, tasks)
	failUpon(tasks)
	p := Planned{Batches: opt.Plan.Batches(), Workers: opt.Workers, Forecast: space.Simulate(r.spacePlan(ctx, tasks))}
	if g := r.tightest(ctx); g != nil {
		p.Bound, p.Limit, p.OtherBytes = g.name, g.limit, g.others
		p.UsedBytes, _ = g.used(ctx)
	}
	for _, t := range tasks {
		if t.done {
			p.Skipped++
			continue
		}
		j := PlannedJob{Name: t.job.Name, Base: t.job.Base, Tags: t.job.Tags, Batch: t.entry.Batch}
		if t.early != nil {
			j.Problem = t.early.Error()
		}
		p.Jobs = append(p.Jobs, j)
	}
	return p, context.Cause(ctx)
}

// spacePlan is what a forecast of the open tasks is made from.
func (r *run) spacePlan(ctx context.Context, tasks []*task) space.Plan {
	p := space.Plan{Workers: r.Workers, Keep: r.Prune.Policy == PruneOff}
	var reports []*cache.Report
	for _, s := range r.sweepers {
		if report, err := s.Look(ctx); err == nil {
			t := report.Totals()
			p.Reclaimable += t.Dead.Bytes + t.LeftOver.Bytes
			pinned, bytes := report.Pinned()
			p.Pinned = append(p.Pinned, pinned...)
			r.foreign[s.Node.Name()] = report.Strange() + bytes
			reports = append(reports, report)
		}
	}
	p.Present = slices.Collect(maps.Keys(r.learn(reports)))
	if g := r.tightest(ctx); g != nil {
		p.Limit = g.limit
		p.Used, _ = g.used(ctx)
	}
	p.Reclaimable = min(p.Reclaimable, p.Used)
	r.room.mu.Lock()
	defer r.room.mu.Unlock()
	p.Sizes = r.room.book.Sizes.Clone() // the first jobs run already, and more is learned from them
	for _, t := range tasks {
		if t.begun || !t.done && t.early == nil {
			p.Jobs = append(p.Jobs, r.room.jobs[t.index])
		}
	}
	return p
}

// tightest is the bound with the least room; nil for none.
func (r *run) tightest(ctx context.Context) *gauge {
	var least *gauge
	var room int64
	for _, g := range r.room.bounds() {
		used, err := g.used(ctx)
		if err == nil && (least == nil || g.limit.High-used < room) {
			least, room = &g, g.limit.High-used
		}
	}
	return least
}

// PreflightError says that there is too little space to begin with.
type PreflightError struct{ Reason string }

func (e *PreflightError) Error() string { return e.Reason }

// preflight looks at the space before the first job. A disk that is nearly full
// is worth a warning; less than was asked for is an error, unless foreign
// records may be removed and that helps.
func (r *run) preflight(ctx context.Context) error {
	g := r.tightest(ctx)
	if g == nil || ctx.Err() != nil {
		return nil
	}
	used, err := g.used(ctx)
	if err != nil {
		return nil
	}
	free := g.limit.High - used
	if want := r.Space.PreflightFree; want > 0 && free < want {
		if r.Prune.Foreign {
			free += r.freeForeign(ctx, want-free)
		}
		if free < want {
			return &PreflightError{fmt.Sprintf("--preflight-free %s: %s has only %s free below its limit of %s (%s used)",
				size(want), g.name, size(max(free, 0)), size(g.limit.High), size(used))}
		}
	}
	r.tellForeign(g.limit)
	if !r.forecast.Fits || free < g.limit.High/10 {
		state := "nearly full"
		if free >= g.limit.High/10 {
			state = "too small for this run"
		}
		message := fmt.Sprintf("%s is %s: %s are used, and the limit is %s", g.name, state, size(used), size(g.limit.High))
		if more := r.forecast.SmallestBytes - used; more > 0 {
			message += fmt.Sprintf(", and this run needs at least %s more at once", size(more))
		}
		r.warn("", "%s", message)
	}
	return nil
}

// tellForeign says how much of what a bound allows is taken by others' cache, where
// that is a part that matters, and how to get it back.
func (r *run) tellForeign(limit space.Limit) {
	if r.Prune.Owner == cache.Exclusive {
		return // it is only what no job's end makes useless, such as cache mounts
	}
	for _, n := range r.Nodes {
		bytes := r.foreign[n.Name()]
		if bytes < limit.High/20 {
			continue
		}
		command := "docker buildx prune --builder " + r.BuilderName
		if strings.Contains(r.BuilderName, "://") {
			command = "buildctl --addr " + r.BuilderName + " prune"
		}
		r.warn("", "%s of the cache of %s are not this run's, or held by what is not, and stay: --prune-foreign removes what is in the way, "+
			"--exclusive says that nobody else uses the builder, and %q removes all that nobody uses now, whoever made it", size(bytes), n.Name(), command)
	}
}

// freeForeign removes foreign records, the least recently used first.
func (r *run) freeForeign(ctx context.Context, bytes int64) (removed int64) {
	for _, s := range r.sweepers {
		r.Journal.Tell(journal.SweepStarted{Node: s.Node.Name(), Pressure: true})
		w := s.FreeForeign(ctx, bytes-removed)
		r.swept(r.nodeOf(s), w, true)
		removed += w.Removed.Bytes
	}
	return removed
}

// spaceTotals sets forecast and outcome side by side. What was needed at least
// is told with what the run has learned.
func (r *run) spaceTotals() *ledger.Space {
	ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
	defer cancel()
	g := r.tightest(ctx)
	if g == nil {
		return nil
	}
	r.room.mu.Lock()
	defer r.room.mu.Unlock()
	rates, learned := r.room.book.Rates, r.spaceBefore
	learned.Sizes = r.room.book.Sizes
	return &ledger.Space{
		Bound: g.name, HighBytes: g.limit.High, LowBytes: g.limit.Low, OtherBytes: g.others,
		ForecastPeakBytes: r.forecast.PeakBytes, PeakBytes: r.room.peaks[g.name], Waits: r.room.waits,
		LeastBytes: space.Simulate(learned).LeastBytes, CacheBytesPerPulledByte: rates.PerByte, OwnBytesPerJob: rates.Own,
	}
}

// onePeak has the peak of the cache be the same wherever it is told: it was looked at
// by the sweeps, and where it is what is bounded, by admission too.
func onePeak(s *ledger.Space, c *ledger.Cache) {
	if s == nil || c == nil || s.Bound != budgetName {
		return
	}
	s.PeakBytes = max(s.PeakBytes, c.PeakBytes)
	c.PeakBytes = s.PeakBytes
}
