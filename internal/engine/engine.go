// Package engine is the run: it keeps the workers busy with the jobs of a plan,
// in order, until every one is built, skipped or failed for good, and has the
// cache swept behind them. It tells what happens as typed events, to whoever
// wants to know.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/space"
	"github.com/stoker-build/stoker/internal/sweep"
	"github.com/stoker-build/stoker/internal/throttle"
)

// Builder builds one job. Its methods may be called concurrently.
type Builder interface {
	// Build makes one attempt at a job and writes its progress to log.
	Build(ctx context.Context, job *plan.Job, log io.Writer, watch builder.Watch) (builder.Result, error)
	// Recover returns when a builder that was lost answers again; a private one
	// is restarted, but while it still runs not within restartPause of its start.
	Recover(ctx context.Context, restartPause time.Duration) error
	// DropPushed removes the images that a job's build left beside the cache only
	// to be pushed. It is called once the job is on record as built, and before
	// what it needed may be swept. It ends in time by itself.
	DropPushed(ctx context.Context, job *plan.Job) error
}

// Graphs tells what builds will do.
type Graphs interface {
	// Graphs tells found what each job's build does, from several goroutines.
	Graphs(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, g graph.Graph, err error)) error
}

// Node is one daemon of the builder, whose cache is swept.
type Node interface {
	sweep.Node
	// ID is the daemon's own: equal as long as it is the same cache.
	ID() string
	// Root is where the node keeps its cache on this machine; empty where that
	// cannot be seen.
	Root() string
	// Forget has the node drop what it keeps of some builds of the run that have
	// ended, which takes space too, and tells of how many.
	Forget(ctx context.Context) int
	// Answers returns an error when the node does not answer.
	Answers(ctx context.Context) error
	// DiskFull finds out whether the node's disk is full, where that cannot be seen.
	DiskFull(ctx context.Context) bool
	// Layers tells found of what layers images consist, from several goroutines.
	// Images of which that cannot be told are left out.
	Layers(ctx context.Context, refs []string, found func(ref string, layers graph.ImageLayers)) error
}

// Registry tells which tags exist already. An error means that it did not say.
type Registry interface {
	Exists(ctx context.Context, tag string) (digest string, exists bool, err error)
}

// Attributions keep what is known of daemons' records from run to run.
type Attributions interface {
	// Open returns what is known of a daemon's records, by its ID. What happens to
	// the memory is kept until close is called.
	Open(daemon string) (memory *cache.Memory, close func() error, err error)
}

// Options say how a plan is run.
type Options struct {
	Plan    *plan.Plan
	Builder Builder
	// Graphs tells what the builds will do; nil where nobody can.
	Graphs Graphs
	// BuilderName is what a person calls it: its name in buildx, or its address.
	BuilderName string
	Nodes       []Node
	Ledger      *ledger.Ledger
	// Journal is told what happens. Secrets are taken out of it.
	Journal *journal.Journal
	// Resumed are the entries of an earlier run that still hold: their jobs are
	// done, and in the ledger.
	Resumed []ledger.Entry
	// Again are names of jobs that an earlier run has begun and not finished as it
	// should: that their tags exist does not mean that they are done.
	Again []string

	// Workers is the number of jobs that run at once.
	Workers int
	// Retries is how many attempts a job gets after its first.
	Retries int
	// RetriesStep is how many of these may follow a step that exited with a code.
	RetriesStep int
	// RetryDelay is the pause before a job's second attempt; each further pause
	// is twice as long, up to RetryDelayMax, with jitter.
	RetryDelay, RetryDelayMax time.Duration
	// Timeout bounds one attempt; 0 does not.
	Timeout time.Duration
	// StallTimeout bounds how long an attempt may make no progress; 0 does not.
	StallTimeout time.Duration
	// MaxFailures ends the run when more jobs have failed; negative does not.
	MaxFailures int
	// FailFast ends the run at the first failed job.
	FailFast bool
	// Registry, when set, is asked before each job whether its tags exist.
	Registry Registry
	// AskRegistry, when set, asks for an image once, and returns what its registry says
	// of how often it may be asked.
	AskRegistry func(ctx context.Context, ref string) throttle.Answer
	// Limits, when set, returns what registries have told of that, by their hosts.
	Limits func() map[string]throttle.Limit
	// Mirrors are asked in the place of registries, as far as that is known: hosts,
	// perhaps with a path, by the registries' hosts.
	Mirrors map[string][]string
	// RegistryPause is the first pause before a registry is asked again that asked for
	// fewer requests; each further one is twice as long, up to an hour.
	RegistryPause time.Duration
	// RegistryWait is how long such a registry is waited for.
	RegistryWait time.Duration
	// LayerSizes, when set, asks an image's registry for the compressed sizes of
	// its layers in bytes, bottom first.
	LayerSizes func(ctx context.Context, ref, platform string) ([]int64, error)
	// Attributions are kept for later runs; nil for not at all.
	Attributions Attributions
	// Redact takes secrets out of all that is logged, told or kept on record.
	Redact *redact.Redactor
	// PostBuild is a shell command that runs after each built image; empty for
	// none.
	PostBuild string
	// Recovery gives turns at mending the builder; nil to mend nothing.
	Recovery *recovery.Turns
	// Prune says how the cache is swept.
	Prune PruneOptions
	// Space bounds what may be used.
	Space SpaceOptions
	// Order says in which order the jobs are built.
	Order Order
	// ResumeCommand goes on with the run where it fails or stops; for the record.
	ResumeCommand string
}

// Why a run ended early, as causes of its context.
var (
	// ErrInterrupted is the cause with which a caller cancels a run that a
	// person interrupted.
	ErrInterrupted = errors.New("interrupted")
	errFailFast    = errors.New("a job failed and --fail-fast is set")
)

// When the first jobs all fail for good in the same way, the rest would too.
const hopelessAfter = 10

// Run builds the plan. It returns the run's summary, which is on disk then. The
// error is nil however the jobs ended, also when ctx was cancelled: it says that
// the run could not be kept on record.
func Run(ctx context.Context, opt Options) (summary ledger.Summary, err error) {
	r := newRun(opt)
	endEvents := keepEvents(r.Journal, r.Ledger)
	defer func() { err = errors.Join(err, endEvents()) }()
	kept, keptBatches := r.keptJobs()
	r.Journal.Tell(journal.RunStarted{Jobs: len(opt.Plan.Jobs), Batches: opt.Plan.Batches(), BatchSize: opt.Plan.BatchSize,
		Workers: opt.Workers, Nodes: nodeNames(opt.Nodes), OutputDir: opt.Ledger.Dir(), Kept: kept, KeptBatches: keptBatches})
	for _, note := range opt.Plan.Notes {
		r.warn("", "%s", note)
	}
	jobs, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	tasks := r.check(jobs)
	stop := r.startSweepers(jobs)
	r.addGauges()
	r.tellUnseen()
	unwatch := r.watchDisks()
	r.holdBallast()
	defer r.dropBallast()
	var surveying sync.WaitGroup
	surveying.Go(func() { r.prepare(jobs, tasks) })
	r.dispatch(jobs)
	surveying.Wait()
	unwatch()
	stop()
	r.keepAttributions(context.WithoutCancel(ctx))
	return r.finish(jobs)
}

// prepare surveys the tasks and queues them. The first may be built already
// meanwhile.
func (r *run) prepare(ctx context.Context, tasks []*task) {
	defer r.queue.complete()
	tasks = r.survey(ctx, tasks)
	r.spaceBefore = r.spacePlan(ctx, tasks)
	r.forecast = space.Simulate(r.spaceBefore)
	if err := r.preflight(ctx); err != nil {
		r.cancel(err)
		r.fail(err)
	}
	r.finishEarly(ctx, tasks)
	for _, t := range tasks {
		if !t.begun && !t.done {
			r.queue.add(t)
		}
	}
}

func nodeNames(nodes []Node) []string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name())
	}
	return names
}

// run is the state of one run.
type run struct {
	Options
	build     buildFunc
	slots     *semaphore.Weighted
	cancel    context.CancelCauseFunc
	started   time.Time
	needs     *cache.Needs
	nodes     map[string]*nodeState // by the nodes' names
	makers    map[string]*task      // of images, by their tags
	room      *admission
	queue     *queue
	throttles *throttle.Registries
	mirrors   *mirrors
	scouts    *scouts
	probation *probation
	sweepers  []*sweep.Sweeper
	// known is closed once the builder has told what all jobs do, and they have
	// their places in tasks. Until then nothing is removed: an unknown job may need it.
	known chan struct{}
	tasks []*task // in the order of the run
	// imports says that jobs import cache from elsewhere.
	imports bool
	// spaceBefore is what the forecast was made from.
	spaceBefore space.Plan
	forecast    space.Forecast
	ballasts    []*ballast
	others      int64            // bytes on the disk that are not the builder's cache
	foreign     map[string]int64 // bytes of others' records at the start, by node
	full        lastTime         // a disk
	lost        lastTime         // the builder
	// gate is held by each start of a job, and by whoever must keep jobs from
	// starting.
	gate sync.RWMutex
	// looking is held by whoever waits for a builder that is lost while no build runs.
	looking sync.Mutex
	// quiet is held by each attempt, and by whoever must have none running.
	quiet sync.RWMutex

	// mu guards what follows.
	mu      sync.Mutex
	err     error // the first failure to keep the record
	batches []batchCount
	working int // jobs that run now
	away    int // workers that a full disk took away
	owed    int // of those, how many are still busy
	mended  map[journal.Mending]int
	ended   map[*task]ledger.Status
	unswept []int // batches that ended before all jobs were known
}

type batchCount struct{ open, built, skipped, failed int }

func newRun(opt Options) *run {
	if opt.Redact == nil {
		opt.Redact = redact.New()
	}
	if opt.Journal == nil {
		opt.Journal = journal.New()
	}
	r := &run{Options: opt, started: time.Now(), slots: semaphore.NewWeighted(int64(opt.Workers)),
		room: newAdmission(opt.Space), queue: newQueue(), needs: needsOf(opt.Plan), known: make(chan struct{}), imports: opt.Plan.Imports(),
		throttles: throttle.New(throttle.Options{First: opt.RegistryPause, Longest: longestRegistryPause, Patience: opt.RegistryWait}),
		mirrors:   newMirrors(opt.Mirrors), scouts: newScouts(), probation: newProbation(), batches: make([]batchCount, opt.Plan.Batches()),
		mended: map[journal.Mending]int{}, ended: map[*task]ledger.Status{}, foreign: map[string]int64{}, nodes: map[string]*nodeState{}}
	for i := range opt.Plan.Jobs {
		r.batches[opt.Plan.Batch(i)-1].open++
	}
	r.build = r.retry(r.logged(r.timeout(r.postBuild(r.buildOnce))))
	return r
}

// dispatch starts the queued jobs in order, each as soon as a worker and space are
// free, and returns when none comes or runs any more.
func (r *run) dispatch(ctx context.Context) {
	var jobs sync.WaitGroup
	for {
		t := r.queue.take(ctx, r.pause)
		if t == nil {
			break
		}
		if _, failed := r.waitsFor(t); failed != nil {
			t.early = fmt.Errorf("it is built on the image of %s, which has failed", failed.job.Name)
			r.failEarly(t)
			r.leave(t)
			r.queue.drop()
			continue
		}
		if r.takeWorker(ctx) != nil {
			break
		}
		if r.admit(ctx, t) != nil {
			r.release() // a job between two attempts may need it to end
			break
		}
		r.probation.begin()
		r.gate.RLock()
		jobs.Go(func() {
			defer r.release()
			r.work(ctx, t)
		})
		r.gate.RUnlock()
	}
	if ctx.Err() == nil && r.queue.size() > 0 {
		r.cancel(r.givenUp())
	}
	if ctx.Err() != nil {
		r.Journal.Tell(journal.Stopping{Reason: context.Cause(ctx).Error()})
	}
	jobs.Wait()
}

// pause is how long a job has to wait before it may be taken.
func (r *run) pause(t *task) time.Duration {
	waits, _ := r.waitsFor(t)
	switch {
	case r.waitsInVain(t):
		return throttle.Never
	case waits:
		return queueInterval // or until another job ends
	}
	if rest := t.restForReach(); rest > 0 {
		return rest
	}
	return r.mayAsk(t)
}

// work takes one job to its end, or back to the queue.
func (r *run) work(ctx context.Context, t *task) {
	r.count(+1)
	defer r.count(-1)
	t.begin()
	r.Journal.Tell(journal.JobStarted{Job: t.job.Name, Base: t.job.Base, Batch: t.entry.Batch, Images: t.reads()})
	err := r.build(ctx, t)
	r.leave(t)
	r.room.done(t)
	if ctx.Err() != nil && err != nil {
		// The job did not fail, it was cut short: it has no entry, and a later
		// run builds it.
		r.queue.drop()
		return
	}
	if errors.Is(err, errWaits) {
		r.probation.putBack()
		r.putBack(t)
		return
	}
	if r.diskFull(ctx, t, err) {
		return
	}
	if t.failed != nil {
		t.entry.Failure = r.redactedFailure(t.entry.Failure.With(t.failed.Error()))
		err = &explainedError{t.failed, t.entry.Failure.String()}
	}
	t.end(err)
	t.entry.Images = t.reads()
	r.record(t)
	r.queue.drop()
	r.afterJob(ctx, t)
	if err != nil {
		r.stopEarly(err)
	}
	r.probation.settle(err == nil)
}

func (r *run) count(by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working += by
}

// busy tells whether builds run.
func (r *run) busy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.working > 0
}

// record puts a finished job on the record and tells of it.
func (r *run) record(t *task) {
	t.done = true
	e := t.entry
	if r.Ledger == nil {
		return // a forecast: nothing is kept on record
	}
	if err := r.Ledger.Add(e); err != nil {
		r.fail(fmt.Errorf("the manifest cannot be written: %w", err))
		return
	}
	r.Journal.Tell(journal.JobFinished{Entry: e})
	r.dropPushed(t)
	r.needs.Finish(t.index)
	r.mu.Lock()
	r.ended[t] = e.Status
	b := &r.batches[e.Batch-1]
	b.open--
	switch e.Status {
	case ledger.Built:
		b.built++
	case ledger.Skipped:
		b.skipped++
	default:
		b.failed++
	}
	count := *b
	r.mu.Unlock()
	if count.open == 0 {
		r.Journal.Tell(journal.BatchFinished{Batch: e.Batch, Built: count.built, Skipped: count.skipped, Failed: count.failed})
		r.sweepBatch(e.Batch)
	}
}

// dropPushed lets go of what a built job left beside the cache, before what it
// needed is swept, and also when the run is being ended. Where that fails, it only
// takes up space.
func (r *run) dropPushed(t *task) {
	if t.entry.Status != ledger.Built {
		return
	}
	if err := r.Builder.DropPushed(context.Background(), t.job); err != nil {
		r.warn(t.job.Name, "its image stays in docker's image store: %s", err)
	}
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

// finish sums the run up.
func (r *run) finish(ctx context.Context) (ledger.Summary, error) {
	s := ledger.Summarize(r.Ledger.Entries(), len(r.Plan.Jobs), r.started, time.Now())
	s.Prune, s.Cache = r.sweepTotals()
	s.Space = r.spaceTotals()
	onePeak(s.Space, s.Cache)
	s.Recoveries = r.recoveries()
	if cause := context.Cause(ctx); cause != nil {
		s.Interrupted = errors.Is(cause, ErrInterrupted)
		s.StopReason = cause.Error()
		if given := (*RegistriesError)(nil); errors.As(cause, &given) {
			s.ResumeAfter = &ledger.Time{Time: given.After}
		}
	}
	if s.Failed > 0 || s.Unfinished > 0 {
		s.ResumeCommand = r.ResumeCommand
	}
	s, err := r.Ledger.Finish(s)
	r.Journal.Tell(journal.RunFinished{Summary: s})
	r.mu.Lock()
	defer r.mu.Unlock()
	return s, errors.Join(r.err, err)
}
