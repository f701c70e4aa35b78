package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/autolink"
	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
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
	// Failure is why in parts, where the builder says so.
	Failure *ledger.Failure `json:"failure,omitempty"`
	// Unknown says why it is not known what the job does; empty where it is.
	Unknown string `json:"unknown,omitempty"`
	// Demands are what the build cannot do without, beside images.
	Demands []graph.Demand `json:"-"`
	Assembly
}

// Assembly tells whether a job's image is assembled in its registry.
type Assembly struct {
	// Assembles says that it may be, once the builder has made the images of two of
	// those that have the same Recipe.
	Assembles bool   `json:"assembles"`
	Recipe    string `json:"recipe,omitempty"`
	// ByBuilder says why the builder makes it; empty where it does not, or where it is
	// not known what the job does. Left says the same in words that such jobs have in common,
	// of an image that is only copied onto its base; else it is empty.
	ByBuilder string `json:"by_builder,omitempty"`
	Left      string `json:"-"`
}

// Planned is what a run would do.
//
// Large: each field is a part of what "stoker plan" tells.
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
	// Links tell which steps are linked, and why others are not.
	Links        []autolink.Step `json:"links,omitempty"`
	linksNothing bool            // since that is asked for
	// Scales are what the run would come to on other numbers of nodes, where that was
	// asked, by Pace; a Pace of zeros is not known.
	Scales []Scale      `json:"scales,omitempty"`
	Pace   *ledger.Pace `json:"pace,omitempty"`
	// Steps are those of the jobs that are to be built, with their names.
	Steps []ledger.Step `json:"-"`
	// Bases are the images that they pull.
	Bases []graph.Base `json:"-"`
}

// Keeps tells why a step that copies, by its line and its text, is not linked in some job, and
// whether that is something of whole jobs; empty where it is in all, or nothing was found out.
func (p Planned) Keeps(line int, text string) (why string, ofJobs bool) {
	if p.linksNothing {
		return "nothing is, with --auto-link=false", true
	}
	i := slices.IndexFunc(p.Links, func(s autolink.Step) bool { return s.Why != "" && s.Line == line && s.Text == text })
	if i < 0 { // what is said of whole jobs
		i = slices.IndexFunc(p.Links, func(s autolink.Step) bool { return s.Why != "" && s.Text == "" })
	}
	if i < 0 {
		return "", false
	}
	return p.Links[i].Why, p.Links[i].Text == ""
}

// Forecast tells what Run would do with the same options, and builds nothing.
// It asks the registry, and the nodes if there are any; the ledger is not used. It tells
// what the run would come to on some numbers of nodes, too, by a pace of earlier runs.
func Forecast(ctx context.Context, opt Options, nodes []int, pace ledger.Pace) (Planned, error) {
	opt.Ledger = nil
	if len(opt.Nodes) == 0 {
		opt.Nodes = []Node{nowhere{}}
	}
	r := newRun(opt)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	tasks := r.check(ctx)
	r.openNodes(ctx)
	defer func() {
		cancel(nil) // nothing is swept
		r.closeNodes(ctx)
	}()
	tasks = r.survey(ctx, tasks)
	failUpon(tasks)
	open := slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return !t.isOpen() })
	r.scheduler.share(open)
	r.look(ctx, tasks)
	p := Planned{Batches: opt.Plan.Batches(), Workers: opt.Workers, Links: r.links, linksNothing: opt.Link == nil, Steps: r.stepsOf(tasks), Bases: r.basesOf(open)}
	r.tellTightest(&p)
	if len(nodes) > 0 {
		p.Scales, p.Pace = r.scales(open, nodes, pace), &pace
	}
	for _, t := range tasks {
		if t.done() {
			p.Skipped++
			continue
		}
		j := PlannedJob{Name: t.job.Name, Base: t.job.Base, Tags: t.job.Tags, Batch: t.result.batch, Demands: t.known.demands, Assembly: t.known.planned(t.job, r.recipes)}
		if t.early != nil {
			j.Problem, j.Failure = t.early.Error(), t.result.failure
		} else if t.known.untold != nil {
			j.Unknown = t.known.untold.Error()
		}
		p.Jobs = append(p.Jobs, j)
	}
	return p, context.Cause(ctx)
}

// tellTightest takes the forecast of the node that is the least sure to have the space for
// its jobs; what is pulled is told of all.
func (r *run) tellTightest(p *Planned) {
	var pull, shared int64
	var tightest *node.Tightest
	for i, o := range r.outlooks {
		f, t := o.Forecast, o.Tightest
		pull, shared = pull+f.PullBytes, shared+f.SharedBytes
		if i == 0 || t != nil && (tightest == nil || t.Limit.High-f.SmallestBytes < tightest.Limit.High-p.Forecast.SmallestBytes) {
			tightest, p.Forecast = t, f
		}
	}
	p.Forecast.PullBytes, p.Forecast.SharedBytes = pull, shared
	if t := tightest; t != nil {
		p.Bound, p.Limit, p.UsedBytes, p.OtherBytes = t.Bound, t.Limit, t.Used, t.Others
	}
}

// look makes the forecasts of all nodes, each of the jobs that are to be built there.
func (r *run) look(ctx context.Context, tasks []*task) {
	r.outlooks = make([]node.Outlook, len(r.scheduler.places))
	var looking sync.WaitGroup
	for i, p := range r.scheduler.places {
		var jobs []int
		for _, t := range tasks {
			if (t.begun || t.isOpen()) && (t.home == p || t.home == nil && p.number == 0) {
				jobs = append(jobs, t.number)
			}
		}
		looking.Go(func() { r.outlooks[i] = p.node.Outlook(ctx, jobs, r.Workers) })
	}
	looking.Wait()
}

// tellForecasts tells what is expected of each node.
func (r *run) tellForecasts() {
	for i, o := range r.outlooks {
		f := o.Forecast
		if f.Jobs == 0 {
			continue
		}
		e := journal.Forecast{Node: r.scheduler.places[i].node.Name(), PeakBytes: f.PeakBytes,
			PullBytes: f.PullBytes, SharedBytes: f.SharedBytes, Jobs: f.Jobs, Curve: f.Curve}
		if o.Tightest != nil {
			e.Bound = o.Tightest.Bound
		}
		r.Journal.Tell(e)
	}
}

// PreflightError says that there is too little space to begin with.
type PreflightError struct{ Reason string }

func (e *PreflightError) Error() string { return e.Reason }

// preflight looks at the space of each node before the first job. A disk that is nearly
// full is worth a warning; less than was asked for is an error, unless foreign records may
// be removed and that helps.
func (r *run) preflight(ctx context.Context) error {
	for i, p := range r.scheduler.places {
		t := r.outlooks[i].Tightest
		if t == nil || ctx.Err() != nil {
			continue
		}
		free := t.Limit.High - t.Used
		if want := r.Space.PreflightFree; want > 0 && free < want {
			if r.Prune.Foreign {
				free += p.node.FreeForeign(ctx, want-free).Bytes
			}
			if free < want {
				return &PreflightError{fmt.Sprintf("--preflight-free %s: %s has only %s free below its limit of %s (%s used)",
					bytesize.Text(want), t.Bound, bytesize.Text(max(free, 0)), bytesize.Text(t.Limit.High), bytesize.Text(t.Used))}
			}
		}
		r.tellForeign(p.node, t.Limit)
		r.tellTight(t, r.outlooks[i].Forecast)
	}
	return nil
}

// tellTight warns of a bound that is nearly reached, or too low for the run.
func (r *run) tellTight(t *node.Tightest, f space.Forecast) {
	free := t.Limit.High - t.Used
	margin := free / 2
	if f.Guessed > 0 {
		margin = free / 10
	}
	known := f.Unknown == 0 && f.PeakBytes-t.Used <= margin
	if f.Fits && (known || free >= t.Limit.High/10) {
		return
	}
	state := "nearly full"
	if free >= t.Limit.High/10 {
		state = "too small for this run"
	}
	message := fmt.Sprintf("%s is %s: %s are used, and the limit is %s", t.Bound, state, bytesize.Text(t.Used), bytesize.Text(t.Limit.High))
	if more := f.SmallestBytes - t.Used; more > 0 {
		message += fmt.Sprintf(", and this run needs at least %s more at once", bytesize.Text(more))
	}
	r.warn("", "%s", message)
}

// tellForeign says how much of what a bound allows is taken by others' cache, where
// that is a part that matters, and how to get it back.
func (r *run) tellForeign(n *node.Node, limit space.Limit) {
	bytes := n.Foreign()
	if bytes < limit.High/20 || bytes == 0 {
		return
	}
	builder := r.BuilderName
	if strings.Contains(n.Name(), "://") {
		builder = n.Name() // of several
	}
	command := "docker buildx prune --builder " + builder
	if strings.Contains(builder, "://") {
		command = "buildctl --addr " + builder + " prune"
	}
	r.warn("", "%s of the cache of %s are not this run's, or held by what is not, and stay: --prune-foreign removes what is in the way, "+
		"--exclusive says that nobody else uses the builder, and %q removes all that nobody uses now, whoever made it", bytesize.Text(bytes), n.Name(), command)
}

// nowhere stands for a builder that is not there yet: a node that holds nothing.
type nowhere struct{ Node }

func (nowhere) Name() string                                    { return "" }
func (nowhere) ID() string                                      { return "" }
func (nowhere) Root() string                                    { return "" }
func (nowhere) Platforms() []ocispecs.Platform                  { return nil }
func (nowhere) Records(context.Context) ([]cache.Record, error) { return nil, nil }
func (nowhere) Answers(context.Context) error                   { return nil }
