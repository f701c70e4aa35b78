package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/compression"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/show"
)

// The longest pause between two attempts at a job.
const retryDelayMax = 2 * time.Minute

// options turns the flags into the run's options, but for the parts that talk to a
// builder or write to disk.
func (o buildOptions) options(p *plan.Plan) run.Options {
	options := run.Options{
		Plan: p, Workers: o.run.workers, MaxFailures: o.run.maxFail.of(len(p.Jobs)), FailFast: o.run.failFast,
		AttemptOptions: run.AttemptOptions{Retries: o.run.retries, RetriesStep: o.run.retryStep, RetryDelay: o.run.retryDelay, RetryDelayMax: retryDelayMax,
			Timeout: o.run.timeout, StallTimeout: o.run.stall, PostBuild: o.run.postBuild},
		Assemble:     o.run.assemble.options(),
		Registries:   run.RegistryOptions{Pause: o.run.regPause, Wait: o.run.regWait},
		Attributions: o.builder.attributions(), Order: run.Order(o.space.order), PullAhead: o.run.pullAhead, Space: o.space.options(),
		Prune: o.prune.options(), Redact: o.redactor(p), Journal: journal.New(),
	}
	options.Took = ledger.ReadLearnedJobs(o.builder.stateDir, p.Kind())
	learned := ledger.ReadLearned(o.builder.stateDir, p.Kind())
	options.Space.Rates.PerByte = learned.CacheBytesPerPulledByte
	if options.Space.Rates.Own == 0 {
		options.Space.Rates.Own = learned.OwnBytesPerJob
	}
	return options
}

// askRegistries has the run ask registries through a client.
func (o buildOptions) askRegistries(options *run.Options, c *registry.Client) {
	r := &options.Registries
	r.Ask, r.LayerSizes, r.Limits, r.MountBase = c.Ask, c.Sizes, c.Limits, c.MountBase
	options.Assemble.Images = c
	options.Compressing = func(ctx context.Context, jobs []*plan.Job, done []ledger.Entry) *ledger.Compressing {
		return compression.Try(ctx, c, jobs, done)
	}
	if !o.run.force {
		r.Tags = c
	}
}

// askBuilder has the run ask and use a builder.
func (o buildOptions) askBuilder(options *run.Options, b *builder.Builder) {
	options.BuilderName, options.Prune.Owner = b.Name(), o.prune.owner(b)
	options.Builder, options.Graphs, options.Nodes = b, b, nodesOf(b)
}

// execute builds a plan: connect, open the record, run, say how it went.
func execute(ctx context.Context, p *plan.Plan, o buildOptions, streams Streams) (err error) {
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return err
	}
	defer done()
	options := o.options(p)
	o.builder.credentials.Secret = options.Redact.Add
	spans, stopTelemetry := startTelemetry(streams.Version, options.Journal, options.Redact, streams.Err)
	defer stopTelemetry()
	options.Traced = spans.Build
	b, err := o.builder.connect(spans.Connect(ctx), streams.Err, p.Registries())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.CanLoad(ctx, p.Jobs); err != nil {
		return err
	}
	if ctx.Err() == nil { // else they may only not have been waited for
		options.Warnings = append(options.Warnings, unreached(b)...)
		if o.run.progress == string(show.ModeQuiet) { // which has no notes
			tellMissing(streams.Err, b, isAwaited)
		}
	}
	mirrors := b.Mirrors()
	client, err := o.builder.registries(mirrors)
	if err != nil {
		return err
	}
	o.askRegistries(&options, client)
	b.AskRegistries(client.Config)
	options.Registries.Mirrors, options.Late = mirrors.Of, lateOf(b)
	o.askBuilder(&options, b)
	options.Link = o.linker(p, b, client)
	options.Recovery = o.recovery(b.Name())
	if err := checkWithFrontend(ctx, p, b); err != nil {
		return err
	}
	if o.run.checkFirst {
		if err := o.checkFirst(ctx, p, b, client, options.Redact.String, streams.Err); err != nil {
			return err
		}
	}

	if err := o.fillHashes(ctx, p, b, streams.Err); err != nil {
		return err
	}
	if err := o.checkFilled(p); err != nil {
		return err
	}
	command := func() string { return resumeCommand(streams, o.flags, os.LookupEnv, options.Redact) }
	jobs := planned(p, options.Took)
	record, resumed, err := o.openLedger(ctx, p, jobs, client, streams.Version, command())
	if err != nil {
		return err
	}
	defer record.Close()
	options.Ledger, options.Resume = record, run.ResumeOptions{Kept: resumed.Entries, Again: o.again(resumed), CutShort: resumed.CutShort, Command: command}
	p.Notes = append(p.Notes, resumed.Notes...)
	view, err := show.New(show.Mode(o.run.progress), viewStream(o.run, streams), o.viewOptions(p, jobs, resumed.Entries, streams))
	if err != nil {
		return err
	}
	stopServing, err := o.run.servePage(options.Journal, streams.Err)
	if err != nil {
		return err
	}
	endMetrics := o.run.writeMetrics(options.Journal)
	shown := show.Attach(options.Journal, view)
	summary, err := run.Run(ctx, options)
	stopServing()
	o.learn(p, summary, record.Entries())
	err = errors.Join(err, shown.Close(), o.input.writeFiles(p, record.Entries()))
	endMetrics(streams.Err)
	tellRun(record, summary, streams.Err)
	keepTrace(record, o.run.outputDir, streams.Err)
	switch {
	case err != nil && o.run.hasSaid(summary, err):
		return &saidError{&runError{err}}
	case err != nil:
		return &runError{err}
	}
	return outcome(summary)
}

// checkWithFrontend has the builder's frontend find a mistake in the one
// Dockerfile of all jobs, where nobody else can. What else it says is a matter of
// single jobs, or comes again when all are asked about.
func checkWithFrontend(ctx context.Context, p *plan.Plan, b *builder.Builder) error {
	job := p.InDoubt()
	if job == nil {
		return nil
	}
	var mistake error
	_ = b.Graphs(ctx, []*plan.Job{job}, func(_ *plan.Job, _ graph.Graph, err error) {
		if err != nil && builder.DoesNotParse(err) {
			mistake = job.Source.DoesNotParse(err)
		}
	})
	return mistake
}

// learn keeps what the run showed for the next. That it cannot be kept costs
// only a worse forecast.
func (o buildOptions) learn(p *plan.Plan, s ledger.Summary, entries []ledger.Entry) {
	l := ledger.ReadLearned(o.builder.stateDir, p.Kind())
	if s.Space != nil && s.Space.OwnBytesPerJob > 0 {
		l.CacheBytesPerPulledByte, l.OwnBytesPerJob = s.Space.CacheBytesPerPulledByte, s.Space.OwnBytesPerJob
	}
	if s.Pace.SecondsPerJob > 0 {
		l.Pace = s.Pace
	}
	_ = ledger.WriteLearned(o.builder.stateDir, p.Kind(), l)
	if jobs := ledger.ReadLearnedJobs(o.builder.stateDir, p.Kind()).Learn(entries); len(jobs) > 0 {
		_ = ledger.WriteLearnedJobs(o.builder.stateDir, p.Kind(), jobs)
	}
	if steps, err := ledger.ReadSteps(o.run.outputDir); err == nil && s.Built > s.KeptBuilt { // else they may all have failed
		learned := ledger.ReadLearnedSteps(o.builder.stateDir, p.Kind())
		learned.Learn(steps)
		_ = ledger.WriteLearnedSteps(o.builder.stateDir, p.Kind(), learned)
	}
}

// viewStream is where the view goes: to standard error, as the progress of
// docker buildx does, but for JSON, which a program reads from standard output.
func viewStream(ro runOptions, streams Streams) io.Writer {
	if ro.progress == string(show.ModeJSON) {
		return streams.Out
	}
	return streams.Err
}

// outcome turns a summary into an exit code. A run that is interrupted when all is done, while layers are
// compressed in other ways to tell what that would save, has not been.
func outcome(s ledger.Summary) error {
	switch {
	case s.Interrupted:
		return &exitError{ExitInterrupted}
	case s.Failed > 0 || s.SkippedDependency > 0 || s.Unfinished > 0:
		return &exitError{ExitFailed}
	}
	return nil
}

// hasSaid tells that what people see of a run's end has said an error, as its reason.
func (o runOptions) hasSaid(s ledger.Summary, err error) bool {
	return o.progress != string(show.ModeJSON) && s.Unfinished > 0 && err.Error() == s.StopReason
}
