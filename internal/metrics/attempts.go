package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// The classes of failures that events have a kind of their own for, as the record calls
// them.
const (
	builderLost = "builder_lost"
	noSpace     = "no_space"
)

// attempts is what comes of attempts at jobs.
type attempts struct {
	ended   *prometheus.CounterVec
	retries *prometheus.CounterVec
	disk    *prometheus.CounterVec

	going map[string]bool // by jobs' names
}

func newAttempts(m maker) attempts {
	return attempts{
		ended:   m.counter("attempts_total", "Attempts that have ended, by what came of them: built, or the class of the failure.", "outcome"),
		retries: m.counter("retries_total", "Failed attempts that are followed by another; those that a full disk or a lost builder ended cost nothing, and are not among them."),
		disk:    m.counter("disk_full_total", "Attempts that a full disk ended, and that are made again when there is space."),
		going:   map[string]bool{},
	}
}

func (a attempts) apply(e journal.Event) {
	switch e := e.(type) {
	case journal.AttemptStarted:
		a.going[e.Job] = true
	case journal.AttemptFailed:
		a.end(e.Job, e.Class)
		if e.Retry {
			a.retries.WithLabelValues().Inc()
		}
	case journal.DiskFull:
		a.end(e.Job, noSpace)
		a.disk.WithLabelValues().Inc()
	case journal.BuilderLost:
		a.end(e.Job, builderLost)
	case journal.JobFinished:
		a.endLast(e.Entry)
	}
}

// end counts the end of an attempt, once.
func (a attempts) end(job, outcome string) {
	if a.going[job] {
		a.ended.WithLabelValues(outcome).Inc()
		delete(a.going, job)
	}
}

// endLast counts the end of the last attempt at a job, where none was told of.
func (a attempts) endLast(e ledger.Entry) {
	outcome := string(e.Status)
	if e.Status == ledger.Failed {
		outcome = e.Cause().Class
	}
	a.end(e.Name, outcome)
}
