package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// How much of the past the views remember.
const (
	keptFailures = 5
	keptWarnings = 2
	// keptFinishes is over how many finished builds the pace is measured: few
	// enough to follow a change of pace, many enough to be steady.
	keptFinishes = 100
)

// State is what the events so far tell of a run, of this one or of one that is read back:
// whatever is shown of it is made from this. All texts in it are clean. It is not safe for
// concurrent use.
//
// Large: a field for each thing that is shown of a run.
type State struct {
	started   time.Time // zero until the run has started
	latest    time.Time // of the latest event
	total     int
	batches   int
	workers   int
	away      int // workers that a full disk took away
	nodes     []string
	outputDir string

	kept                   int // that an earlier run has finished
	built, skipped, failed int
	dependants             ledger.Dependants // that were skipped since others have failed
	batchesDone            int
	running                []*runningJob  // the longest running first
	failures               []failure      // the last few causes
	alike                  map[string]int // failed jobs by the kinds of their failures
	lostIdle               bool           // the builder, while no job runs
	lostNodes              []string       // of several, those that do not answer
	warnings               []string       // the last few
	stopping               string         // why no new job is started

	waiting *waitingJob // the next job, if there is no space for it
	// throttled are the registries that ask for fewer requests, as was last told
	throttled []journal.RegistryThrottled
	// surveying says how far the builder has told what the jobs do; empty once jobs run
	surveying string
	sweeps    []runningSweep // in the order in which they began
	swept     tally          // what all sweeps so far did
	pulled    int64          // bytes of layers, so far

	finishes    []time.Time // of the last builds; skipped jobs left out
	buildsBegan time.Time   // when the first of these builds could begin
	quiet       time.Time   // since when no job is at work; zero while one is
	firstBegan  time.Time   // when the first job of all was begun
	summary     *ledger.Summary

	samples map[string]journal.Sampled // the latest of each node
	outlook *outlook                   // what is known of single jobs; nil for nothing
}

// runningJob is a job that a worker has taken.
type runningJob struct {
	name    string
	node    string // empty where there is only one
	since   time.Time
	attempt int    // 0 before the first
	step    string // empty before the first
	retryAt time.Time
	lost    bool // it waits for its builder
}

// NewState is what is known of a run of which nothing was told yet but its record.
func NewState(r ledger.Record) *State {
	return &State{outlook: newOutlook(Expect(r.Run.Plan.Jobs, r.Kept()))}
}

// Apply folds one event into the state. Events that it does not know change
// nothing.
func (s *State) Apply(at time.Time, e journal.Event) {
	s.latest = at
	switch e := e.(type) {
	case journal.RunStarted:
		s.begin(at, e)
	case journal.Surveying:
		s.surveying = surveyText(e)
	case journal.JobStarted:
		s.surveying = ""
		s.waited(e.Job)
		s.job(at, e.Job).node = s.nodeOf(e.Node)
		s.outlook.begin(visible.Line(e.Job), at)
	case journal.AttemptStarted:
		s.beginAttempt(at, e)
	case journal.StepStarted:
		s.job(at, e.Job).step = stepText(e.Step)
	case journal.AttemptFailed:
		if e.Retry {
			j := s.job(at, e.Job)
			j.step, j.retryAt = "", at.Add(ofSeconds(e.Delay))
		}
	case journal.JobHeld:
		s.job(at, e.Job).step = "failed as " + visible.Line(e.For) + " did, which is tried again first"
	case journal.JobFinished:
		s.finish(at, e.Entry)
	case journal.BatchFinished:
		s.batchesDone++
	case journal.WaitingForSpace:
		s.wait(at, e)
	case journal.DiskFull:
		s.leave(visible.Line(e.Job)) // and starts again later
		s.setWorkers(e.Workers)
	case journal.BuilderLost:
		s.lose(at, e)
	case journal.RegistryThrottled:
		s.throttle(e)
	case journal.RegistryAnswers:
		s.answers(e.Registry)
	case journal.JobWaiting:
		s.leave(visible.Line(e.Job)) // and starts again later
	case journal.Recovered:
		s.recover(at, e)
	case journal.WorkersChanged:
		s.setWorkers(e.Workers)
	case journal.Sampled:
		s.sampled(e)
	case journal.SweepStarted:
		s.sweeps = append(s.sweeps, runningSweep{e, at})
	case journal.SweepFinished:
		s.endSweep(e)
	case journal.LayerPulled:
		s.pulled += e.Bytes
	case journal.Lost:
		s.noteWarning(fmt.Sprintf("%s could not be shown: what is written here is read too slowly", plural.Of(e.Events, "event")))
	case journal.Warning:
		if !e.Note {
			s.noteWarning(warningText(e))
		}
	case journal.Stopping:
		s.stopping, s.waiting = reason(e.Reason), nil
	case journal.RunFinished:
		s.running, s.waiting, s.throttled, s.sweeps, s.summary = nil, nil, nil, nil, &e.Summary
		if e.Gone {
			s.outputDir = "" // nothing is found there
		}
	}
	s.noteQuiet(at)
}

// noteQuiet notes since when no job is at work.
func (s *State) noteQuiet(at time.Time) {
	switch {
	case slices.ContainsFunc(s.running, func(j *runningJob) bool { return !j.lost }):
		s.quiet = time.Time{}
	case s.quiet.IsZero():
		s.quiet = at
	}
}

// surveyText says that the builder is asked what the jobs do.
func surveyText(e journal.Surveying) string {
	return fmt.Sprintf("the builder what the builds will do: %d of %d known", e.Known, e.Jobs)
}

func (s *State) begin(at time.Time, e journal.RunStarted) {
	*s = State{
		started: at, latest: at, total: e.Jobs, batches: e.Batches, workers: e.Workers,
		outputDir: visible.Line(e.OutputDir), kept: e.Kept, batchesDone: e.KeptBatches, outlook: s.outlook.afresh(),
	}
	for _, n := range e.Nodes {
		s.nodes = append(s.nodes, visible.Line(n))
	}
}

// job finds a running job, or adds it: an event of a job proves that it runs.
func (s *State) job(at time.Time, name string) *runningJob {
	name = visible.Line(name)
	for _, j := range s.running {
		if j.name == name {
			return j
		}
	}
	if s.firstBegan.IsZero() {
		s.firstBegan = at
	}
	j := &runningJob{name: name, since: at}
	s.running = append(s.running, j)
	return j
}

func (s *State) beginAttempt(at time.Time, e journal.AttemptStarted) {
	j := s.job(at, e.Job)
	j.attempt, j.step, j.retryAt, j.lost = e.Attempt, "", time.Time{}, false
	if s.buildsBegan.IsZero() {
		s.buildsBegan = at
	}
}

// leave notes that a job does not run any more.
func (s *State) leave(name string) {
	s.running = slices.DeleteFunc(s.running, func(j *runningJob) bool { return j.name == name })
}

func (s *State) finish(at time.Time, e ledger.Entry) {
	name := visible.Line(e.Name)
	s.outlook.end(name, at, !isSkipped(e))
	s.leave(name)
	s.quiet = time.Time{}
	switch {
	case e.Status == ledger.Built:
		s.built++
	case e.Status == ledger.SkippedDependency:
		s.dependants.Add(e)
		return
	case isSkipped(e):
		s.skipped++
		return
	default:
		s.failed++
		s.noteFailure(name, e.Cause())
	}
	s.finishes = append(s.finishes, at)
	if len(s.finishes) > keptFinishes {
		// The finish that falls out is where the measured time begins.
		s.buildsBegan, s.finishes = s.finishes[0], s.finishes[1:]
	}
}

// noteWarning remembers a warning, one that comes again and again once.
func (s *State) noteWarning(text string) {
	if n := len(s.warnings); n > 0 && s.warnings[n-1] == text {
		return
	}
	s.warnings = lastOf(append(s.warnings, text), keptWarnings)
}

// done counts the finished jobs, those of an earlier run too.
func (s *State) done() int { return s.kept + s.built + s.skipped + s.dependants.Jobs() + s.failed }

// live tells whether the run has started and not yet finished.
func (s *State) live() bool { return !s.started.IsZero() && s.summary == nil }

func (s *State) elapsed(now time.Time) time.Duration {
	if s.started.IsZero() {
		return 0
	}
	return max(now.Sub(s.started), 0)
}

// Left estimates how long the run still takes: from what is known of its single jobs, or else
// from the pace of the last builds. There is no estimate once the run is stopping, nor while
// nothing can run: nobody knows for how long. One of no time at all is none, as jobs are left.
func (s *State) Left(now time.Time) (left time.Duration, known bool) {
	if !s.live() || s.stopping != "" || s.standsStill(now) {
		return 0, false
	}
	if s.outlook != nil {
		left, known = s.outlook.left(now, s.workersNow())
	} else {
		left, known = s.leftByPace(now)
	}
	return left, known && left >= time.Second
}

// About is that for people, "about 1m24s"; empty while it is not known.
func (s *State) About(now time.Time) string {
	left, known := s.Left(now)
	if !known {
		return ""
	}
	return "about " + whole(left)
}

// leftText says that it is left.
func (s *State) leftText(now time.Time) string {
	if about := s.About(now); about != "" {
		return about + " left"
	}
	return ""
}

// leftByPace estimates how long the run still takes from the pace of the last builds.
// Skipped jobs take no time and tell nothing about it. There is no estimate
// before each worker could finish a build, as the first to finish are the
// quick ones.
func (s *State) leftByPace(now time.Time) (time.Duration, bool) {
	n := len(s.finishes)
	if n == 0 || n < min(s.workersNow(), s.total) || s.buildsBegan.IsZero() {
		return 0, false
	}
	each := max(now.Sub(s.buildsBegan), 0) / time.Duration(n)
	return each * time.Duration(max(s.total-s.done(), 0)), true
}

// quietFor is how long no job is at work before that is more than a change of jobs.
const quietFor = 10 * time.Second

// standsStill tells whether no job has been at work for a while although some are left.
func (s *State) standsStill(now time.Time) bool {
	return !s.quiet.IsZero() && now.Sub(s.quiet) >= quietFor && s.done() < s.total
}

// doing tells what a running job is at.
func (j *runningJob) doing(now time.Time) string {
	switch {
	case j.lost:
		return "waiting for the builder"
	case !j.retryAt.IsZero():
		if left := j.retryAt.Sub(now); left >= time.Second {
			return "next attempt in " + whole(left)
		}
		return "next attempt"
	case j.step != "":
		return j.step
	case j.attempt == 0:
		return "checking"
	}
	return "starting"
}

func isSkipped(e ledger.Entry) bool { return strings.HasPrefix(string(e.Status), "skipped") }

func warningText(w journal.Warning) string {
	text := strings.Join(strings.Fields(visible.Line(w.Message)), " ")
	if w.Job != "" {
		return visible.Line(w.Job) + ": " + text
	}
	return text
}

func lastOf[T any](v []T, n int) []T { return v[max(len(v)-n, 0):] }
