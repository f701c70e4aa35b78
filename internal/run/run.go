// Package run is one run: it keeps the workers of all nodes busy with the jobs of a plan,
// in order, until every one is built, skipped or failed for good. What runs next is
// decided by one loop, the scheduler's; what is true of one daemon is its node's; what
// happens is told to the journal.
package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/stoker-build/stoker/internal/autolink"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/space"
	"github.com/stoker-build/stoker/internal/stepbook"
	"github.com/stoker-build/stoker/internal/visible"
)

// Why a run ended early, as causes of its context.
var (
	// ErrInterrupted is the cause with which a caller cancels a run that a
	// person interrupted.
	ErrInterrupted = errors.New("interrupted")
	errFailFast    = errors.New("a job failed and --fail-fast is set")
)

// Run builds the plan. It returns the run's summary, which is on disk then. The
// error is nil however the jobs ended, also when ctx was cancelled: it says that
// the run could not be kept on record.
func Run(ctx context.Context, opt Options) (summary ledger.Summary, err error) {
	if ctx.Err() != nil {
		opt.Late = nil // they may answer: that was not waited for
	}
	r := newRun(opt)
	endEvents := keepEvents(r.Journal, r.Ledger)
	defer func() { err = recordErrors(err, endEvents()) }()
	tally := newTally(r.Journal)
	kept, keptBatches := r.keptJobs()
	r.Journal.Tell(journal.RunStarted{Jobs: len(opt.Plan.Jobs), Batches: opt.Plan.Batches(), BatchSize: opt.Plan.BatchSize,
		Workers: opt.Workers * max(opt.nodes(), 1), Nodes: opt.nodeNames(), OutputDir: opt.Ledger.Dir(), Kept: kept, KeptBatches: keptBatches})
	for _, note := range opt.Plan.Notes {
		r.Journal.Tell(journal.Warning{Message: r.Redact.String(note), Note: true})
	}
	for _, warning := range opt.Warnings {
		r.warn("", "%s", warning)
	}
	for _, l := range opt.Late {
		r.Journal.Tell(journal.BuilderLost{Error: visible.FirstLine(l.Why()), Node: l.Name()})
	}
	jobs, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	tasks := r.check(jobs)
	r.openNodes(jobs)
	r.scheduler.loop(jobs, func() { r.prepare(jobs, tasks) })
	r.closeNodes(jobs)
	return r.finish(jobs, tally)
}

// prepare surveys the tasks and queues them. The first may be built already
// meanwhile.
func (r *run) prepare(ctx context.Context, tasks []*task) {
	tasks = r.survey(ctx, tasks)
	leaveToOthers(tasks)
	r.scheduler.call(func() {
		r.scheduler.share(slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return !t.isOpen() }))
	})
	r.look(ctx, tasks)
	r.tellForecasts()
	if slices.ContainsFunc(tasks, (*task).wasLeft) { // else no space is needed
		if err := r.preflight(ctx); err != nil {
			r.cancel(err)
			r.fail(err)
		}
	}
	r.scheduler.call(func() {
		var failing []*task
		for _, t := range tasks {
			switch {
			case t.isOpen():
				r.scheduler.enqueue(t)
			case t.early != nil && !t.begun && !t.done():
				r.scheduler.open++
				failing = append(failing, t)
			}
		}
		r.scheduler.failEarly(ctx, failing...)
	})
}

// nodes is how many there are, those that do not answer yet among them.
func (o *Options) nodes() int { return len(o.Nodes) + len(o.Late) }

func (o *Options) nodeNames() []string {
	var names []string
	for _, n := range o.Nodes {
		names = append(names, n.Name())
	}
	for _, l := range o.Late {
		names = append(names, l.Name())
	}
	return names
}

// run is the wiring of one run: its parts own what they are about. What has no comment
// is set once, before the scheduler begins.
//
// Large: it is where the parts of a run meet, and what one of them tells another goes
// through it.
type run struct {
	Options
	started    time.Time
	cancel     context.CancelCauseFunc
	scheduler  *scheduler
	registries *registries
	recipes    *recipes
	attempts   attempter
	needs      node.Needs
	allKnown   func()              // closes needs.All
	makers     map[string]*task    // of images, by their tags
	taskOf     map[*plan.Job]*task // by the jobs, in whatever form
	tasks      []*task             // in the order of the run, once all are known
	opening    []*opening          // nodes that are waited for
	outlooks   []node.Outlook      // by place, what its forecast was made from
	links      []autolink.Step     // what was found out of steps that copy
	accounts   accounts
	steps      *stepbook.Book

	mu  sync.Mutex // guards err
	err error      // the first failure to keep the record
}

func newRun(opt Options) *run {
	if opt.Redact == nil {
		opt.Redact = redact.New()
	}
	if opt.Journal == nil {
		opt.Journal = journal.New()
	}
	if opt.Traced == nil {
		opt.Traced = func(ctx context.Context, _ string, _ int) context.Context { return ctx }
	}
	opt.Space.Common = space.NewCommon()
	known := make(chan struct{})
	r := &run{Options: opt, started: time.Now(), cancel: func(error) {},
		needs: node.Needs{Needs: needsOf(opt.Plan), All: known}, allKnown: func() { close(known) },
		accounts: accounts{batches: make([]batch, opt.Plan.Batches()), losses: map[string]int{}}, steps: stepbook.New(opt.Redact.String)}
	r.scheduler = newScheduler(r)
	r.registries = newRegistries(opt.Registries, opt.Journal, r.scheduler.wake)
	for i := range opt.Plan.Jobs {
		r.accounts.batches[opt.Plan.Batch(i)-1].open++
	}
	r.recipes = newRecipes(opt.Assemble, r.warn, r.freeAssembled)
	build := building{opt.Builder, opt.Traced, opt.Redact, opt.Journal}
	make := assembling{mounting{newAttended(build), opt.Registries.MountBase}, r.recipes, opt.Redact, opt.Journal}
	r.attempts = logged{limited{watched{hooked{make, opt.PostBuild}, opt.StallTimeout}, opt.Timeout}, opt.Ledger, opt.Redact, opt.Journal}
	return r
}

// try makes an attempt at a task, if its registries may be asked, and once nobody needs
// the nodes for themselves.
func (r *run) try(ctx context.Context, t *task) error {
	for _, n := range t.nodes() {
		end, err := n.Begin(ctx)
		if err != nil {
			return err
		}
		defer end()
	}
	if r.registries.mayAsk(t) > 0 {
		return errWaits
	}
	t.tries.attempt++
	a := &attempt{job: t.job, number: t.tries.attempt, on: t.nodeNames(), way: way{t.tries.noCache, t.known.assembly},
		ask: asker{
			reach: func(ctx context.Context) error { return r.reach(ctx, t) },
			answer: func(ctx context.Context) bool {
				return !anyOf(t.nodes(), func(n *node.Node) bool { return n.IsSilent(ctx, node.ForBuilds) })
			},
		},
		told: teller{
			exporting: func() {
				for _, n := range t.nodes() {
					n.Exporting(t.number)
				}
			},
			graph: func(g graph.Graph) {
				r.learnGraph(t, g)
				r.registries.answered(t)
			},
			found:  r.steps.Found,
			pulled: func(one builder.Pulled) { t.nodes()[0].Pulled(t.job.Name, one) }, // of several it is not told which pulled
			made: func(m cache.Making) {
				r.steps.Made(m)
				for _, n := range t.nodes() {
					n.Made(m)
				}
			},
		}}
	err := r.attempts.attempt(ctx, a)
	t.result.log, t.result.build, t.result.built, t.result.after = a.path, a.result, a.build, a.after
	t.tries.phases.Add(a.phases())
	if err == nil {
		r.registries.gotThrough(t)
	}
	return err
}

// mend has the nodes of a task remove what a broken cache would show to its next attempt,
// more each time. last tells that the next attempt is the last.
func (r *run) mend(ctx context.Context, t *task, last bool) {
	if r.needs.Await(ctx) != nil {
		return
	}
	t.tries.healed++
	way := mendingOf(t.tries.healed, last)
	t.tries.noCache = t.tries.noCache || way == journal.MendNoCache
	related := func(job int) bool { return r.tasks[job].sharesBase(t) }
	for _, n := range t.nodes() {
		freed, skipped, err := n.Mend(ctx, node.Broken{Job: t.number, Way: way, Base: t.baseName(), Related: related})
		if err != nil {
			r.warn(t.job.Name, "the cache could not be mended: %s", err)
			return
		}
		r.Journal.Tell(journal.Recovered{Job: t.job.Name, Attempt: t.tries.attempt, Mending: way, Node: n.Name(),
			Skipped: skipped, Records: freed.Records, Bytes: freed.Bytes})
	}
}

// mendingOf tells how the cache is mended after a job's nth failure that a
// broken cache explains, when only one more attempt may be left.
func mendingOf(n int, last bool) journal.Mending {
	switch {
	case last || n > 2:
		return journal.MendNoCache
	case n == 2:
		return journal.MendBase
	}
	return journal.MendOwn
}

// fail ends the run, since what happens could not be kept on record any more.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.cancel(err)
}

// recordErrors joins failures to keep the record, but those of which the first tells the
// cause: that the record was taken away, or that the disk is full.
func recordErrors(first error, more ...error) error {
	all := []error{first}
	for _, err := range more {
		if !sameCause(first, err) {
			all = append(all, err)
		}
	}
	if all = slices.DeleteFunc(all, func(err error) bool { return err == nil }); len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

func sameCause(a, b error) bool {
	if errors.As(a, new(*ledger.GoneError)) {
		return errors.As(b, new(*ledger.GoneError))
	}
	is, has := errors.AsType[syscall.Errno](a)
	also, hasToo := errors.AsType[syscall.Errno](b)
	return has && hasToo && is == also
}

// warn tells a person something that stops nothing, about a job or, where its name is
// empty, about the run.
func (r *run) warn(job, format string, args ...any) {
	r.Journal.Tell(journal.Warning{Job: job, Message: r.Redact.String(fmt.Sprintf(format, args...))})
}

// eventsPatience is how long the disk may take nothing before the file of events is
// given up.
const eventsPatience = 30 * time.Second

// keepEvents puts the events on record from now on. The returned function ends that and
// returns the first error.
func keepEvents(j *journal.Journal, l *ledger.Ledger) (end func() error) {
	var first error // of the observer, until it has ended
	s := j.Subscribe(journal.Everything, func(at time.Time, e journal.Event) {
		line, err := journal.Marshal(at, e)
		if err == nil {
			err = l.Event(line)
		}
		if err != nil && first == nil {
			first = fmt.Errorf("events cannot be written: %w", err)
		}
	})
	return func() error {
		if err := s.Close(eventsPatience); err != nil {
			return fmt.Errorf("events cannot be written: %w", err)
		}
		return first
	}
}
