// Package timeline is what a run did over time: who worked on what and when, how full the
// nodes were, when they were swept. It is pure: all is made from the run's journal.
package timeline

import (
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Run is a run over time, as far as its events have been told. It is not safe for
// concurrent use.
//
// Large: a list for each thing that is drawn.
type Run struct {
	Start journal.RunStarted
	// Began is zero until the run has begun, and Latest when the latest event was.
	Began, Latest time.Time
	// Spans are the jobs that workers took, in the order in which they were taken.
	Spans []Span
	// Levels are the samples of the nodes, in order.
	Levels []Level
	Sweeps []Sweep
	// Forecasts are what was expected of the nodes, by their names.
	Forecasts map[string]journal.Forecast
	// Waits are the times for which the next job did not fit its node.
	Waits []Wait
	// Ends are those of all jobs of this run, skipped ones too.
	Ends []End
	// Pulled is how many bytes its nodes have told that they pulled, so far.
	Pulled int64
	// Summary is nil until the run has ended.
	Summary *ledger.Summary

	lanes map[string][]bool // of each node, those that are taken
	going going
}

// going is where in a run's lists that is which goes on.
type going struct {
	spans  map[string]int // of jobs
	waits  map[string]int // of jobs
	sweeps map[string]int // of nodes
	// rests are the nodes of jobs that another attempt is to be made at.
	rests map[string]string
}

// Span is the time for which a worker had a job.
type Span struct {
	Job string
	// Node is empty where several nodes build the job together.
	Node string
	// Lane is which of the node's workers it was, from 0.
	Lane     int
	From, To time.Time // To is zero while it goes on
	// Step is what the job is at, while it goes on, and since when.
	Step string
	// Attempts begun so far.
	Attempts int
	// Status is empty where the job went back to the queue, and Failed, too, where an attempt
	// failed that another one follows: until then, another job has the worker.
	Status ledger.Status
	// Phases is where its time went; nil where that is not known.
	Phases *ledger.Phases
}

// Level is a sample of a node.
type Level struct {
	At time.Time
	journal.Sampled
}

// Sweep is one sweep of a node; its end is zero while it goes on.
type Sweep struct {
	From, To time.Time
	Node     string
	Pressure bool
	Bytes    int64
	Records  int
	Error    string
}

// Wait is a time for which a job waited for space; its end is zero while it goes on.
type Wait struct {
	From, To time.Time
	Job      string
	Bound    string
	Node     string
}

// End is the end of a job.
type End struct {
	At     time.Time
	Status ledger.Status
}

// Apply takes in one event. Events that tell nothing of time change nothing.
func (r *Run) Apply(at time.Time, e journal.Event) {
	r.Latest = at
	switch e := e.(type) {
	case journal.RunStarted:
		*r = Run{
			Start: e, Began: at, Latest: at, Forecasts: map[string]journal.Forecast{},
			lanes: map[string][]bool{}, going: going{map[string]int{}, map[string]int{}, map[string]int{}, map[string]string{}},
		}
	case journal.JobStarted:
		delete(r.going.rests, e.Job)
		r.endWait(at, e.Job)
		r.take(at, e.Job, e.Node)
	case journal.AttemptStarted:
		r.attempt(at, e)
	case journal.AttemptFailed:
		if e.Retry {
			r.rest(at, e.Job)
		}
	case journal.JobHeld:
		r.rest(at, e.Job)
	case journal.StepStarted:
		if s := r.span(e.Job); s != nil {
			s.Step = e.Step
		}
	case journal.JobFinished:
		r.finish(at, e.Entry)
	case journal.JobWaiting:
		delete(r.going.rests, e.Job)
		r.leave(at, e.Job)
	case journal.DiskFull:
		r.leave(at, e.Job)
	case journal.Forecast:
		if r.Forecasts != nil {
			r.Forecasts[e.Node] = e
		}
	case journal.Sampled:
		r.Levels = append(r.Levels, Level{at, e})
	case journal.WaitingForSpace:
		r.wait(at, e)
	case journal.LayerPulled:
		r.Pulled += e.Bytes
	case journal.SweepStarted:
		r.sweep(at, e)
	case journal.SweepFinished:
		r.endSweep(at, e)
	case journal.RunFinished:
		r.end(at, e.Summary)
	}
}

// Length is how long it took, so far.
func (r *Run) Length() time.Duration { return r.Latest.Sub(r.Began) }

// Reclaimed is how many bytes its sweeps have freed, so far.
func (r *Run) Reclaimed() (bytes int64) {
	for _, s := range r.Sweeps {
		bytes += s.Bytes
	}
	return bytes
}

// Lanes is how many of a node's workers were busy at once.
func (r *Run) Lanes(node string) int { return len(r.lanes[node]) }

func (r *Run) span(job string) *Span {
	if i, ok := r.going.spans[job]; ok {
		return &r.Spans[i]
	}
	return nil
}

// take gives a job the first lane of its node that is free.
func (r *Run) take(at time.Time, job, node string) {
	if r.lanes == nil || r.span(job) != nil {
		return
	}
	lane := 0
	for lanes := r.lanes[node]; lane < len(lanes) && lanes[lane]; {
		lane++
	}
	if lane == len(r.lanes[node]) {
		r.lanes[node] = append(r.lanes[node], true)
	}
	r.lanes[node][lane] = true
	r.going.spans[job] = len(r.Spans)
	r.Spans = append(r.Spans, Span{Job: job, Node: node, Lane: lane, From: at})
}

// attempt has a job be at an attempt, for which one that rested takes a lane of its node again.
func (r *Run) attempt(at time.Time, e journal.AttemptStarted) {
	if node, rests := r.going.rests[e.Job]; rests {
		delete(r.going.rests, e.Job)
		r.take(at, e.Job, node)
	}
	if s := r.span(e.Job); s != nil {
		s.Attempts, s.Step = e.Attempt, ""
	}
}

// rest has a job whose attempt failed leave its lane until its next attempt.
func (r *Run) rest(at time.Time, job string) {
	if s := r.leave(at, job); s != nil {
		s.Status = ledger.Failed
		r.going.rests[job] = s.Node
	}
}

// leave frees a job's lane.
func (r *Run) leave(at time.Time, job string) *Span {
	s := r.span(job)
	if s == nil {
		return nil
	}
	delete(r.going.spans, job)
	s.To, s.Step = at, ""
	r.lanes[s.Node][s.Lane] = false
	return s
}

func (r *Run) finish(at time.Time, e ledger.Entry) {
	r.Ends = append(r.Ends, End{at, e.Status})
	delete(r.going.rests, e.Name)
	r.endWait(at, e.Name)
	if s := r.leave(at, e.Name); s != nil {
		if end := e.End(at); end.After(s.From) {
			s.To = end
		}
		s.Status, s.Phases, s.Attempts = e.Status, e.Phases, e.AttemptCount
	}
}

func (r *Run) wait(at time.Time, e journal.WaitingForSpace) {
	if _, ok := r.going.waits[e.Job]; ok || r.going.waits == nil {
		return
	}
	r.going.waits[e.Job] = len(r.Waits)
	r.Waits = append(r.Waits, Wait{From: at, Job: e.Job, Bound: e.Bound, Node: e.Node})
}

func (r *Run) endWait(at time.Time, job string) {
	if i, ok := r.going.waits[job]; ok {
		r.Waits[i].To = at
		delete(r.going.waits, job)
	}
}

func (r *Run) sweep(at time.Time, e journal.SweepStarted) {
	if r.going.sweeps == nil {
		return
	}
	r.going.sweeps[e.Node] = len(r.Sweeps)
	r.Sweeps = append(r.Sweeps, Sweep{From: at, Node: e.Node, Pressure: e.Pressure})
}

func (r *Run) endSweep(at time.Time, e journal.SweepFinished) {
	i, ok := r.going.sweeps[e.Node]
	if !ok {
		return
	}
	delete(r.going.sweeps, e.Node)
	s := &r.Sweeps[i]
	s.To, s.Bytes, s.Records, s.Error = at, e.ReclaimedBytes, e.ReclaimedRecords, e.Error
}

// end ends what still goes on.
func (r *Run) end(at time.Time, s ledger.Summary) {
	r.Summary = &s
	for job := range r.going.spans {
		r.leave(at, job)
	}
	for job := range r.going.waits {
		r.endWait(at, job)
	}
	for node, i := range r.going.sweeps {
		r.Sweeps[i].To = at
		delete(r.going.sweeps, node)
	}
}
