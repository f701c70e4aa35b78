// Package trace writes what runs did over time in the Trace Event Format, which
// chrome://tracing and Perfetto read. It is pure: all is made from the runs' journals.
package trace

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/timeline"
)

// detailBytes is how large a file may be before steps and samples are left out of it:
// viewers load the whole of one.
const detailBytes = 48 << 20

// Trace writes a file as it is told events, one run after the other. It keeps of a job's
// attempts and steps only what a worker is at, so that jobs stand in the file in the order
// in which they ended, and what is on one thread in the order in which it began. It is not
// safe for concurrent use.
type Trace struct {
	file    *file
	most    int64 // of bytes, for details
	leftOut int   // steps and samples

	run     timeline.Run
	jobs    map[string]*job   // those that a worker has
	rests   map[string]string // the base images of those that rest before another attempt
	threads *threads
}

// New begins a file.
func New(w io.Writer) *Trace {
	t := &Trace{file: newFile(w), most: detailBytes}
	t.Run("")
	return t
}

// Run says that what follows is of another run; the name tells its nodes apart from those
// of others.
func (t *Trace) Run(name string) {
	t.endRun()
	t.run, t.jobs, t.rests = timeline.Run{}, map[string]*job{}, map[string]string{}
	t.threads = t.threads.another(t.file, name)
}

// Apply takes in one event.
func (t *Trace) Apply(at time.Time, e journal.Event) {
	if _, again := e.(journal.RunStarted); again {
		t.endRun() // that goes on with a run that was stopped
	}
	taken := len(t.run.Spans)
	t.run.Apply(at, e)
	switch e := e.(type) {
	case journal.JobStarted:
		t.take(e.Job, e.Base, taken)
	case journal.AttemptStarted:
		t.take(e.Job, t.rests[e.Job], taken)
		delete(t.rests, e.Job)
		t.jobs[e.Job].begin(at, e)
	case journal.StepStarted:
		t.jobs[e.Job].step(at, e.Step)
	case journal.AttemptFailed:
		t.jobs[e.Job].fail(at, e.Class, e.Error)
		if e.Retry {
			t.rest(e.Job)
		}
	case journal.JobHeld:
		t.jobs[e.Job].fail(at, e.Class, e.Error)
		t.rest(e.Job)
	case journal.BuilderLost:
		t.jobs[e.Job].fail(at, "builder_lost", e.Error)
	case journal.DiskFull:
		t.jobs[e.Job].fail(at, "no_space", e.Error)
		t.leave(e.Job, nil)
	case journal.JobWaiting:
		t.leave(e.Job, nil)
	case journal.JobFinished:
		t.finish(at, e.Entry)
	case journal.PullFinished:
		t.pull(at, e)
	case journal.Sampled:
		t.sample(at, e)
	}
}

// take notes that a worker has a job, if the last event has given it to one.
func (t *Trace) take(name, base string, taken int) {
	if len(t.run.Spans) > taken {
		t.jobs[name] = &job{span: taken, base: base}
	}
}

// rest notes that a job has no worker until its next attempt.
func (t *Trace) rest(name string) {
	if j := t.jobs[name]; j != nil {
		t.rests[name] = j.base
		t.leave(name, nil)
	}
}

// Close ends the file.
func (t *Trace) Close() error {
	t.endRun()
	notes := map[string]string{"steps": "a step ends where the attempt's next begins, or with the attempt: the times of steps that run side by side are those of their beginnings"}
	if said := t.LeftOut(); said != "" {
		notes["left_out"] = said
	}
	return t.file.close(notes)
}

// LeftOut says what is not in the file, since it would be too large; empty for nothing.
func (t *Trace) LeftOut() string {
	if t.leftOut == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the steps and samples are left out: the file would be too large for viewers", t.leftOut)
}

// hasRoom tells whether there is room for so many events that can be done without, and
// notes that they are left out where there is not.
func (t *Trace) hasRoom(details int) bool {
	if t.file.written < t.most {
		return true
	}
	t.leftOut += details
	return false
}

// finish writes a job that is on record. One that no worker had is but a moment.
func (t *Trace) finish(at time.Time, e ledger.Entry) {
	delete(t.rests, e.Name)
	if t.jobs[e.Name] != nil {
		t.leave(e.Name, &e)
		return
	}
	on := t.threads.unworked()
	t.file.write(event{Name: text(e.Name), Cat: "job", Ph: moment, Scope: "t", TS: micros(at), thread: on, Args: jobArgs(e)})
}

// leave writes a job that a worker had, with its attempts and steps.
func (t *Trace) leave(name string, e *ledger.Entry) {
	j := t.jobs[name]
	if j == nil {
		return
	}
	delete(t.jobs, name)
	s := t.run.Spans[j.span]
	to := s.To
	if to.IsZero() {
		to = t.run.Latest
	}
	j.end(to)
	if n := len(j.attempts); n > 0 && j.attempts[n-1].to.After(to) {
		to = j.attempts[n-1].to // whose end was told later
	}
	on := t.threads.worker(s.Node, s.Lane)
	args := map[string]any{"base_image": text(j.base)}
	switch {
	case e != nil:
		args = jobArgs(*e)
	case s.To.IsZero() || t.run.Summary != nil:
		args["status"] = "unfinished"
	case s.Status == ledger.Failed:
		args["status"] = "to be tried again"
	default:
		args["status"] = "back to the queue"
	}
	t.file.write(complete("job", name, s.From, to, on, args))
	for _, a := range j.attempts {
		t.file.write(complete("attempt", fmt.Sprintf("attempt %d", a.number), a.from, a.to, on, a.args))
		if !t.hasRoom(len(a.steps)) {
			continue
		}
		for _, p := range a.steps {
			t.file.write(complete("step", p.name, p.from, p.to, on, nil))
		}
	}
}

func jobArgs(e ledger.Entry) map[string]any {
	args := map[string]any{"base_image": text(e.BaseImage), "status": e.Status, "attempts": e.AttemptCount, "batch": e.Batch}
	if e.Node != "" {
		args["node"] = text(e.Node)
	}
	if e.Assembled {
		args["assembled"] = true
	}
	if !e.Status.Made() {
		cause := e.Cause()
		args["class"], args["reason"] = cause.Class, text(cmp.Or(e.FailedDependency, cause.String()))
	}
	if e.Phases != nil {
		args["phases"] = e.Phases
	}
	return args
}

// endRun writes what is not written when it happens, and what still goes on.
func (t *Trace) endRun() {
	if t.run.Began.IsZero() {
		return
	}
	var left []string
	for i := range t.run.Spans { // those of one lane in order
		if j := t.jobs[t.run.Spans[i].Job]; j != nil && j.span == i {
			left = append(left, t.run.Spans[i].Job)
		}
	}
	for _, name := range left {
		t.leave(name, nil)
	}
	for _, s := range t.run.Sweeps {
		t.sweep(s)
	}
	for i, w := range t.run.Waits {
		on := t.threads.node(w.Node)
		args := map[string]any{"bound": text(w.Bound)}
		t.beside("wait for space", w.Job, fmt.Sprintf("wait %d", i), w.From, t.orLatest(w.To), on, args)
	}
	args := map[string]any{"jobs": t.run.Start.Jobs, "workers": t.run.Start.Workers, "kept": t.run.Start.Kept}
	if s := t.run.Summary; s != nil {
		args["built"], args["skipped"], args["failed"], args["unfinished"] = s.Built, s.Skipped, s.Failed, s.Unfinished
	}
	t.file.write(complete("run", "run", t.run.Began, t.run.Latest, t.threads.run(), args))
	t.run = timeline.Run{}
}

func (t *Trace) orLatest(at time.Time) time.Time {
	if at.IsZero() {
		return t.run.Latest
	}
	return at
}

func (t *Trace) sweep(s timeline.Sweep) {
	name := "sweep"
	if s.Pressure {
		name = "sweep for space"
	}
	args := map[string]any{"reclaimed_bytes": s.Bytes, "reclaimed_records": s.Records}
	if s.Error != "" {
		args["error"] = text(s.Error)
	}
	if s.To.IsZero() {
		args = map[string]any{"status": "unfinished"}
	}
	t.file.write(complete("sweep", name, s.From, t.orLatest(s.To), t.threads.sweeper(s.Node), args))
}

// pull writes that images were pulled ahead.
func (t *Trace) pull(at time.Time, e journal.PullFinished) {
	from := at.Add(-time.Duration(e.Duration * float64(time.Second)))
	id := fmt.Sprintf("pull %s %d", e.Job, micros(at))
	args := map[string]any{"images": len(e.Images), "pulled": e.Pulled}
	if e.Error != "" {
		args["error"] = text(e.Error)
	}
	t.beside("pull ahead", e.Job, id, from, at, t.threads.node(e.Node), args)
}

// beside writes what goes on beside all threads.
func (t *Trace) beside(cat, name, id string, from, to time.Time, on thread, args map[string]any) {
	e := event{Name: text(name), Cat: cat, ID: text(id), Ph: begins, TS: micros(from), thread: on, Args: args}
	t.file.write(e)
	e.Ph, e.TS, e.Args = ends, micros(to), nil
	t.file.write(e)
}

// sample writes how full a node was. What is not known is left out.
func (t *Trace) sample(at time.Time, s journal.Sampled) {
	if !t.hasRoom(1) {
		return
	}
	on := t.threads.node(s.Node)
	count := func(name string, args map[string]any) {
		t.file.write(event{Name: name, Ph: counter, TS: micros(at), thread: on, Args: args})
	}
	if s.Bound != "" && !s.Unknown {
		count("disk (bytes)", map[string]any{"used": s.UsedBytes, "promised": s.ReservedBytes})
		count("disk limit (bytes)", map[string]any{"limit": s.HighBytes})
	}
	if c := s.Cache; c != nil {
		count("cache (bytes)", map[string]any{"live": c.Live, "dead": c.Dead, "foreign": c.Foreign, "left over": c.LeftOver})
	}
	count("jobs", map[string]any{"running": s.Running})
}
