package show

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/annotate"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	heartbeatEvery = time.Minute
	// heartbeatJobs is how many running jobs a heartbeat names.
	heartbeatJobs = 8
	// widestColumn limits the space that long names claim in every line.
	widestColumn = 40
)

// plain is the view of ModePlain.
type plain struct {
	palette
	width  int
	pulse  pulse
	github github

	mu     sync.Mutex // the heartbeat writes too
	lines  lines
	state  State
	burst  burst
	failed failedKinds
	column int // the width of the names so far
	said   said
	closed bool
}

// said is what needs no second line.
type said struct {
	warning string          // the last
	lost    map[string]bool // nodes that do not answer
	survey  journal.Surveying
}

// pulse is what the heartbeat comes from.
type pulse struct {
	stop func() // ends the ticks
	quit chan struct{}
	done chan struct{} // closed once there will be no heartbeat any more
}

// github is whether GitHub Actions reads what is written, and from where it names files.
type github struct {
	reads     bool
	workspace string
}

// failedKinds are the kinds of failures so far.
type failedKinds struct {
	jobs   map[string]int // by kind
	untold []ledger.Entry // the last failure of each kind that has no line yet
}

func newPlain(out io.Writer, width int, color bool, opts Options) *plain {
	ticks, stop := opts.Ticker(heartbeatEvery)
	p := &plain{
		palette: palette{color}, width: width, lines: lines{out: out},
		pulse:  pulse{stop: stop, quit: make(chan struct{}), done: make(chan struct{})},
		github: github{reads: opts.Getenv("GITHUB_ACTIONS") == "true", workspace: opts.Getenv("GITHUB_WORKSPACE")},
		failed: failedKinds{jobs: map[string]int{}}, said: said{lost: map[string]bool{}},
		state: State{outlook: newOutlook(opts.Jobs)},
	}
	go p.beat(ticks)
	return p
}

// Observe implements View.
func (p *plain) Observe(at time.Time, e journal.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Apply(at, e)
	p.tell(at, e)
}

// Close implements View.
func (p *plain) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.lines.err
	}
	p.closed = true
	p.pulse.stop()
	close(p.pulse.quit)
	p.mu.Unlock()
	<-p.pulse.done
	p.mu.Lock()
	p.tellBurst(p.state.latest)
	if text := p.state.closing(p.width, p.color); text != "" {
		p.lines.write("\n" + strings.TrimSuffix(text, "\n"))
	}
	p.annotate()
	return p.lines.err
}

// annotate tells GitHub Actions of the failures, and of what was not built.
func (p *plain) annotate() {
	s := p.state.summary
	if !p.github.reads || s == nil || p.lines.err != nil {
		return
	}
	all := annotate.Failures(s.FailureGroups)
	if s.Unfinished > 0 {
		all = append(all, annotate.Unfinished(s.Unfinished, s.StopReason))
	}
	dir, _ := os.Getwd() // without it only absolute paths are found
	p.lines.err = annotate.Print(p.lines.out, annotate.Commands(all, p.github.workspace, dir)...)
}

// tell writes the line of an event, if it has one, and before it what has been
// put off for long enough.
func (p *plain) tell(at time.Time, e journal.Event) {
	if _, last := e.(journal.RunFinished); last || p.burst.due(at) {
		p.tellBurst(at)
	}
	switch e := e.(type) {
	case journal.RunStarted:
		p.line(at, p.bold, "run", runText(e))
	case journal.Surveying:
		if e != p.said.survey {
			p.line(at, p.info, "asking", surveyText(e))
		}
		p.said.survey = e
	case journal.AttemptFailed:
		if e.Retry && !p.state.waitsFor(e) {
			p.tellRetry(at, e)
		}
	case journal.JobFinished:
		p.tellJob(at, e.Entry)
	case journal.BatchFinished:
		p.tellUntold(at)
		p.line(at, p.bold, "batch", fmt.Sprintf("%d of %d: %s", e.Batch, p.state.batches, joined(", ", totals(e.Built, e.Skipped, e.Failed), dependantsText(e.SkippedDependency))))
	case journal.WaitingForSpace:
		p.tellWaiting(at, e)
	case journal.DiskFull:
		p.line(at, p.warn, "disk", fmt.Sprintf("full during %s; %s now", visible.Line(e.Job), plural.Of(e.Workers, "worker")))
	case journal.BuilderLost:
		p.tellLost(at, e)
	case journal.RegistryThrottled:
		p.line(at, p.warn, "waiting", throttledText(e, at))
	case journal.RegistryAnswers:
		p.line(at, p.info, "back", visible.Line(e.Registry)+" answers again")
	case journal.RegistryLimit:
		p.line(at, p.info, "limit", limitText(e, at))
	case journal.Recovered:
		p.tellRecovered(at, e)
	case journal.WorkersChanged:
		p.line(at, p.info, "workers", fmt.Sprintf("%d of %d again", e.Workers, p.state.workers))
	case journal.SweepFinished:
		if e.Pressure {
			p.burst.add(at, e)
		} else {
			p.tellSweep(at, e)
		}
	case journal.Warning:
		if e.Note {
			p.line(at, p.info, "note", warningText(e))
		} else {
			p.tellWarning(at, warningText(e))
		}
	case journal.Stopping:
		p.line(at, p.warn, "stopping", reason(e.Reason))
	case journal.RunFinished:
		p.tellUntold(at)
		_, built, skipped := e.Summary.Own()
		p.line(at, p.bold, "finished", joined(", ", totals(built, skipped, e.Summary.Failed), e.Summary.FailedDependencies.String(), keptText(e.Summary.Kept())))
	}
}

// tellWarning writes a warning, one that comes again and again once.
func (p *plain) tellWarning(at time.Time, text string) {
	if text != p.said.warning {
		p.line(at, p.warn, "warning", text)
	}
	p.said.warning = text
}

func (p *plain) tellJob(at time.Time, e ledger.Entry) {
	switch {
	case e.Status == ledger.Built:
		p.line(at, p.good, "built", fmt.Sprintf("%s  %s  %s", p.name(e.Name), shortDigest(e.Digest), effort(e.AttemptCount, e.DurationSeconds)+p.state.on(e.Node)))
	case isSkipped(e):
		p.line(at, p.info, "skipped", p.name(e.Name)+"  "+visible.Line(e.Skipped()))
	default:
		p.tellFailure(at, e)
	}
}

// tellFailure writes why a job failed, with what its step printed; of jobs that failed
// for the same cause once, and then ever fewer lines.
func (p *plain) tellFailure(at time.Time, e ledger.Entry) {
	n := p.state.alike[e.Cause().Kind()]
	is := func(x ledger.Entry) bool { return x.Cause().Kind() == e.Cause().Kind() }
	p.failed.untold = slices.DeleteFunc(p.failed.untold, is)
	if !worthALine(n) {
		p.failed.untold = append(p.failed.untold, e)
		return
	}
	p.line(at, p.bad, "failed", p.name(e.Name)+"  "+failureText(e, n)+p.state.on(e.Node))
	if n == 1 {
		for _, l := range outputLines(e.Cause(), len(e.Cause().Output)) {
			p.lines.write("           " + p.dim(l))
		}
	}
}

// tellUntold writes the counts of equal failures that have grown since they were told.
func (p *plain) tellUntold(at time.Time) {
	for _, e := range p.failed.untold {
		p.line(at, p.bad, "failed", p.name(e.Name)+"  "+failureText(e, p.state.alike[e.Cause().Kind()]))
	}
	p.failed.untold = nil
}

// tellRetry writes that a job is tried again, and why, as tellFailure does.
func (p *plain) tellRetry(at time.Time, e journal.AttemptFailed) {
	n := 1
	if e.Failure != nil {
		kind := e.Failure.Kind()
		p.failed.jobs[kind]++
		n = p.failed.jobs[kind]
	}
	if worthALine(n) {
		p.line(at, p.warn, "retry", p.name(e.Job)+"  "+retryText(e, n))
	}
}

// name pads a job's name, so that what follows stands in a column.
func (p *plain) name(s string) string {
	s = visible.Line(s)
	p.column = max(p.column, min(ansi.StringWidth(s), widestColumn))
	return pad(s, p.column)
}

// line writes one line: the time since the run began, how many jobs have
// finished, a word that tells what happened, and the rest.
func (p *plain) line(at time.Time, paint func(string) string, word, text string) {
	total := fmt.Sprint(p.state.total)
	p.lines.write(fmt.Sprintf("%s [%*d/%s] %s  %s",
		padLeft(clock(p.state.elapsed(at)), 8), len(total), p.state.done(), total,
		paint(pad(word, len("stopping"))), visible.Line(text)))
}

// beat shows at each tick that the run is alive.
func (p *plain) beat(ticks <-chan time.Time) {
	defer close(p.pulse.done)
	for {
		select {
		case <-p.pulse.quit:
			return
		case now := <-ticks:
			p.heartbeat(now)
		}
	}
}

func (p *plain) heartbeat(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.live() {
		p.tellBurst(now)
		p.line(now, p.dim, "running", p.state.heartbeat(now))
	}
}

// heartbeat is the state of a run on one line.
func (s *State) heartbeat(now time.Time) string {
	parts := []string{totals(s.built, s.skipped, s.failed)}
	if s.built > 0 {
		parts = append(parts, perHour(s.ImagesPerHour(now)))
	}
	parts = append(parts, s.leftText(now), s.reclaimed())
	if len(s.lostNodes) > 0 {
		parts = append(parts, s.nodesText()+" there")
	}
	if s.waiting != nil {
		parts = append(parts, s.waiting.String())
	}
	parts = append(parts, s.awaited(now)...)
	return joined("; ", append(parts, s.runningText(now))...)
}

// runningText names the jobs that have been running for longest.
func (s *State) runningText(now time.Time) string {
	if len(s.running) == 0 && s.allLost() {
		return "waiting for the builder"
	}
	if len(s.running) == 0 && s.surveying != "" {
		return "asking " + s.surveying
	}
	if len(s.running) == 0 {
		return "nothing is running"
	}
	var names []string
	for _, j := range s.running[:min(len(s.running), heartbeatJobs)] {
		names = append(names, j.name+" "+whole(now.Sub(j.since))+s.on(j.node))
	}
	if more := len(s.running) - heartbeatJobs; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d running: %s", len(s.running), strings.Join(names, ", "))
}

func runText(e journal.RunStarted) string {
	text := fmt.Sprintf("%s in %s, %s", plural.Of(e.Jobs, "image"), plural.Of(e.Batches, "batch"), plural.Of(e.Workers, "worker"))
	if e.Kept > 0 {
		text += ", " + keptText(e.Kept)
	}
	if len(e.Nodes) > 0 {
		text += " on " + strings.Join(e.Nodes, ", ")
	}
	if e.OutputDir != "" {
		text += "; results in " + e.OutputDir
	}
	return text
}
