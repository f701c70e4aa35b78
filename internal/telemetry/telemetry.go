// Package telemetry sends what a run does to an OpenTelemetry collector, as spans: run, job,
// attempt, step, and beside them sweeps, waits and pulls ahead. It is made from the run's
// journal, with the times of its events, and neither slows a run nor fails it.
package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// Telemetry makes the spans of one run. All methods may be called on nil, which sends
// nothing. Apply is for one goroutine.
type Telemetry struct {
	sent   *counted
	all    *sdktrace.TracerProvider
	tracer trace.Tracer
	made   int             // spans to be sent that have ended
	parent context.Context // what the run is a part of

	run    *span
	jobs   map[string]*job
	waits  map[string]*span // of jobs
	sweeps map[string]*span // of nodes

	mu     sync.Mutex
	builds map[build]trace.SpanContext // that the builder was told of
}

// span is one that goes on, and the context of those within it.
type span struct {
	trace.Span
	ctx  context.Context
	from time.Time
}

// job is one that a worker has.
type job struct {
	*span
	attempt, step *span // nil where none goes on
	number        int   // of the attempt
}

type build struct {
	job     string
	attempt int
}

// mostRunes is how much of a text is sent.
const mostRunes = 1000

func text(key, value string) attribute.KeyValue {
	return attribute.String("stoker."+key, visible.Head(value, mostRunes))
}

func count[N int | int64](key string, n N) attribute.KeyValue {
	return attribute.Int64("stoker."+key, int64(n))
}

// Apply takes in one event.
func (t *Telemetry) Apply(at time.Time, e journal.Event) {
	if start, is := e.(journal.RunStarted); is {
		t.run = t.begin(t.parent, "run", at, count("jobs", start.Jobs), count("workers", start.Workers), count("kept", start.Kept))
	}
	if t.run == nil {
		return
	}
	switch e := e.(type) {
	case journal.JobStarted:
		t.endWait(at, e.Job)
		t.leave(at, e.Job)
		t.jobs[e.Job] = &job{span: t.begin(t.run.ctx, "job "+e.Job, at, text("job", e.Job), text("base_image", e.Base), text("node", e.Node), count("batch", e.Batch))}
	case journal.AttemptStarted:
		t.attempt(at, e)
	case journal.StepStarted:
		t.step(at, e)
	case journal.AttemptFailed:
		t.fail(at, e.Job, e.Class, e.Error)
	case journal.JobHeld:
		t.fail(at, e.Job, e.Class, e.Error)
	case journal.BuilderLost:
		t.fail(at, e.Job, "builder_lost", e.Error)
	case journal.DiskFull:
		t.fail(at, e.Job, "no_space", e.Error)
		t.leave(at, e.Job)
	case journal.JobWaiting:
		t.leave(at, e.Job)
	case journal.JobFinished:
		t.finish(at, e.Entry)
	default:
		t.beside(at, e)
	}
}

// beside takes in what happens beside jobs.
func (t *Telemetry) beside(at time.Time, e journal.Event) {
	switch e := e.(type) {
	case journal.WaitingForSpace:
		if t.waits[e.Job] == nil {
			t.waits[e.Job] = t.begin(t.run.ctx, "wait for space", at, text("job", e.Job), text("node", e.Node), text("bound", e.Bound),
				count("need_bytes", e.NeedBytes), count("free_bytes", e.FreeBytes))
		}
	case journal.SweepStarted:
		t.sweeps[e.Node] = t.begin(t.run.ctx, "sweep", at, text("node", e.Node), count("batch", e.Batch), attribute.Bool("stoker.pressure", e.Pressure))
	case journal.SweepFinished:
		t.endSweep(at, e)
	case journal.PullFinished:
		s := t.begin(t.run.ctx, "pull ahead", at.Add(-time.Duration(e.Duration*float64(time.Second))), text("job", e.Job), text("node", e.Node),
			count("images", len(e.Images)), attribute.Bool("stoker.pulled", e.Pulled))
		s.fail(e.Error)
		t.end(s, at)
	case journal.RunFinished:
		t.endRun(at, e.Summary)
	}
}

func (t *Telemetry) begin(within context.Context, name string, at time.Time, about ...attribute.KeyValue) *span {
	ctx, s := t.tracer.Start(within, visible.Head(name, mostRunes), trace.WithTimestamp(at), trace.WithAttributes(about...))
	return &span{Span: s, ctx: ctx, from: at}
}

func (t *Telemetry) end(s *span, at time.Time) {
	if s == nil {
		return
	}
	s.End(trace.WithTimestamp(at))
	if s.SpanContext().IsSampled() {
		t.made++
	}
}

// fail says why a span is of something that failed, where there is a reason.
func (s *span) fail(reason string) {
	if reason != "" {
		s.SetStatus(codes.Error, visible.Head(reason, mostRunes))
	}
}

func (t *Telemetry) attempt(at time.Time, e journal.AttemptStarted) {
	j := t.jobs[e.Job]
	if j == nil {
		return
	}
	t.endAttempt(at, e.Job)
	j.number = e.Attempt
	j.attempt = t.begin(j.ctx, fmt.Sprintf("attempt %d", e.Attempt), at, text("job", e.Job), count("attempt", e.Attempt), text("log", e.Log))
}

// step begins one, which ends where the next begins: of steps that run side by side only
// the beginnings are told.
func (t *Telemetry) step(at time.Time, e journal.StepStarted) {
	j := t.jobs[e.Job]
	if j == nil || j.attempt == nil {
		return
	}
	t.end(j.step, at)
	j.step = t.begin(j.attempt.ctx, e.Step, at)
}

func (t *Telemetry) fail(at time.Time, name, class, reason string) {
	if j := t.jobs[name]; j != nil && j.attempt != nil {
		j.attempt.SetAttributes(text("class", class))
		j.attempt.fail(reason)
		t.endAttempt(at, name)
	}
}

func (t *Telemetry) endAttempt(at time.Time, name string) {
	j := t.jobs[name]
	if j == nil || j.attempt == nil {
		return
	}
	t.end(j.step, at)
	t.linkBuild(at, build{name, j.number}, j.attempt)
	t.end(j.attempt, at)
	j.attempt, j.step = nil, nil
}

// leave ends a job's time with a worker.
func (t *Telemetry) leave(at time.Time, name string) {
	j := t.jobs[name]
	if j == nil {
		return
	}
	t.endAttempt(at, name)
	t.end(j.span, at)
	delete(t.jobs, name)
}

func (t *Telemetry) finish(at time.Time, e ledger.Entry) {
	t.endWait(at, e.Name)
	if t.jobs[e.Name] == nil { // no worker had it
		t.jobs[e.Name] = &job{span: t.begin(t.run.ctx, "job "+e.Name, at, text("job", e.Name), text("base_image", e.BaseImage))}
	}
	j := t.jobs[e.Name]
	j.SetAttributes(text("status", string(e.Status)), count("attempts", e.AttemptCount), text("digest", e.Digest), text("node", e.Node))
	if !e.Status.Made() {
		cause := e.Cause()
		j.SetAttributes(text("class", cause.Class))
		j.fail(cmp.Or(e.FailedDependency, cause.String()))
	}
	if end := e.End(at); !end.Before(j.from) {
		at = end
	}
	t.leave(at, e.Name)
}

func (t *Telemetry) endWait(at time.Time, name string) {
	t.end(t.waits[name], at)
	delete(t.waits, name)
}

func (t *Telemetry) endSweep(at time.Time, e journal.SweepFinished) {
	s := t.sweeps[e.Node]
	if s == nil {
		return
	}
	s.SetAttributes(count("slices", e.Slices), count("reclaimed_bytes", e.ReclaimedBytes), count("reclaimed_records", e.ReclaimedRecords), count("dead_bytes", e.DeadBytes))
	s.fail(e.Error)
	t.end(s, at)
	delete(t.sweeps, e.Node)
}

// endRun ends all that still goes on.
func (t *Telemetry) endRun(at time.Time, s ledger.Summary) {
	for name := range t.jobs {
		t.leave(at, name)
	}
	for name := range t.waits {
		t.endWait(at, name)
	}
	for _, s := range t.sweeps {
		t.end(s, at)
	}
	t.run.SetAttributes(count("built", s.Built), count("skipped", s.Skipped), count("failed", s.Failed), count("unfinished", s.Unfinished))
	switch {
	case s.StopReason != "":
		t.run.fail(s.StopReason)
	case s.Failed > 0:
		t.run.fail(fmt.Sprintf("failed jobs: %d", s.Failed))
	}
	t.end(t.run, at)
	t.run = nil
}
