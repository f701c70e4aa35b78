package trace

import (
	"time"

	"github.com/stoker-build/stoker/internal/journal"
)

// job is one that a worker has. Events of jobs that none has are passed over: a nil job
// takes them.
type job struct {
	span     int // which of the run's
	base     string
	attempts []attempt
	going    bool // the last attempt
}

type attempt struct {
	number   int
	from, to time.Time
	args     map[string]any
	steps    []step
}

type step struct {
	name     string
	from, to time.Time
}

func (j *job) begin(at time.Time, e journal.AttemptStarted) {
	if j == nil {
		return
	}
	j.end(at)
	j.attempts = append(j.attempts, attempt{number: e.Attempt, from: at, args: map[string]any{"log": text(e.Log)}})
	j.going = true
}

func (j *job) step(at time.Time, name string) {
	if j == nil || !j.going {
		return
	}
	a := &j.attempts[len(j.attempts)-1]
	a.endStep(at)
	a.steps = append(a.steps, step{name: name, from: at})
}

// fail ends the attempt.
func (j *job) fail(at time.Time, class, reason string) {
	if j == nil || !j.going {
		return
	}
	args := j.attempts[len(j.attempts)-1].args
	args["class"], args["error"] = class, text(reason)
	j.end(at)
}

// end ends the attempt that goes on, if one does.
func (j *job) end(at time.Time) {
	if !j.going {
		return
	}
	j.going = false
	a := &j.attempts[len(j.attempts)-1]
	a.endStep(at)
	a.to = at
}

func (a *attempt) endStep(at time.Time) {
	if n := len(a.steps); n > 0 {
		a.steps[n-1].to = at
	}
}
