package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Upper bounds of the buckets, in seconds: of a job, and of a part of one.
var (
	jobBuckets   = []float64{1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200}
	phaseBuckets = []float64{0.1, 0.5, 1, 2.5, 5, 15, 30, 60, 120, 300, 900, 3600}
)

// state is how a job stands.
type state string

// The states.
const (
	waiting    state = "waiting"    // not begun, or back in the queue
	running    state = "running"    // a worker has it
	unfinished state = "unfinished" // the run has ended before it had
	kept       state = "kept"       // an earlier run has finished it
	built      state = "built"
	skipped    state = "skipped" // its tags exist
	dependant  state = "skipped_dependency"
	failed     state = "failed"
)

var states = []state{waiting, running, unfinished, kept, built, skipped, dependant, failed}

// stateOf is the state of a job that has ended.
func stateOf(s ledger.Status) state {
	switch {
	case s == ledger.Built:
		return built
	case s == ledger.SkippedDependency:
		return dependant
	case strings.HasPrefix(string(s), "skipped"):
		return skipped
	}
	return failed
}

// jobs is what becomes of the jobs.
type jobs struct {
	planned, states            *prometheus.GaugeVec
	ended                      *prometheus.CounterVec
	retried, assembled, pushed *prometheus.CounterVec
	durations, phases          *prometheus.HistogramVec

	planning int
	count    map[state]int
	atWork   map[string]bool // by name
}

func newJobs(m maker) *jobs {
	return &jobs{
		planned:   m.gauge("jobs_planned", "Jobs of the run's plan, those that an earlier run has finished included."),
		states:    m.gauge("jobs", "Jobs by how they stand; together they are those that are planned.", "state"),
		ended:     m.counter("jobs_ended_total", "Jobs that this run has finished, by how they ended; without a node where none was needed.", "node", "state"),
		retried:   m.counter("jobs_retried_total", "Finished jobs that needed more than one attempt."),
		assembled: m.counter("jobs_assembled_total", "Built jobs that were put together in their registry, without a builder."),
		pushed:    m.counter("jobs_pushed_total", "Built jobs whose images are known to have gone to a registry."),
		durations: m.histogram("job_duration_seconds", "Time of jobs that were built or failed, from their first check to their end, waits included.", jobBuckets, "node", "state"),
		phases:    m.histogram("job_phase_seconds", "Time of finished jobs in each of their phases; a phase that a job was not in does not count.", phaseBuckets, "phase"),
		count:     map[state]int{}, atWork: map[string]bool{},
	}
}

func (j *jobs) apply(e journal.Event) {
	switch e := e.(type) {
	case journal.RunStarted:
		j.planning = e.Jobs
		j.count[kept] = e.Kept
		set(j.planned, float64(e.Jobs))
	case journal.JobStarted:
		j.atWork[e.Job] = true
	case journal.JobWaiting:
		delete(j.atWork, e.Job)
	case journal.DiskFull:
		delete(j.atWork, e.Job)
	case journal.JobFinished:
		j.end(e.Entry)
	case journal.RunFinished:
		clear(j.atWork)
		j.count[unfinished] = e.Summary.Unfinished
	default:
		return
	}
	j.show()
}

func (j *jobs) end(e ledger.Entry) {
	delete(j.atWork, e.Name)
	s := stateOf(e.Status)
	j.count[s]++
	j.ended.WithLabelValues(e.Node, string(s)).Inc()
	if e.AttemptCount > 1 {
		j.retried.WithLabelValues().Inc()
	}
	if s == built && e.Assembled {
		j.assembled.WithLabelValues().Inc()
	}
	if s == built && e.Pushed != nil && *e.Pushed {
		j.pushed.WithLabelValues().Inc()
	}
	if s == built || s == failed {
		j.durations.WithLabelValues(e.Node, string(s)).Observe(e.DurationSeconds)
	}
	if e.Phases == nil {
		return
	}
	for _, phase := range e.Phases.Each() {
		if phase.Seconds > 0 {
			j.phases.WithLabelValues(phase.Key).Observe(phase.Seconds)
		}
	}
}

// show shows how all jobs stand: who has no other state waits.
func (j *jobs) show() {
	j.count[running], j.count[waiting] = len(j.atWork), 0
	left := j.planning
	for _, n := range j.count {
		left -= n
	}
	j.count[waiting] = max(left, 0)
	for _, s := range states {
		set(j.states, float64(j.count[s]), string(s))
	}
}
