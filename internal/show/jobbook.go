package show

import (
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// jobBook is what can be looked up of each job that was begun, while the run goes on.
type jobBook struct {
	byName map[string]*bookedJob
	ended  []*bookedJob // in the order in which they ended
}

// bookedJob is one of them. All texts in it but its log's path are clean.
type bookedJob struct {
	name    string
	status  ledger.Status // empty while it runs
	began   time.Time
	took    time.Duration // once it has ended
	attempt int
	log     string // the path of its last attempt's
	reason  string // of its failure, or of an attempt that will be made again
	steps   []bookedStep
}

// bookedStep is a step that the last attempt has come to.
type bookedStep struct {
	text string
	at   time.Time
}

func (b *jobBook) job(name string, at time.Time) *bookedJob {
	name = visible.Line(name)
	if j := b.byName[name]; j != nil {
		return j
	}
	if b.byName == nil {
		b.byName = map[string]*bookedJob{}
	}
	j := &bookedJob{name: name, began: at}
	b.byName[name] = j
	return j
}

// apply folds an event into the book.
func (b *jobBook) apply(at time.Time, e journal.Event) {
	switch e := e.(type) {
	case journal.RunStarted:
		*b = jobBook{}
	case journal.JobStarted:
		b.job(e.Job, at).began = at
	case journal.AttemptStarted:
		j := b.job(e.Job, at)
		j.attempt, j.log, j.steps = e.Attempt, e.Log, nil
	case journal.StepStarted:
		j := b.job(e.Job, at)
		j.steps = append(j.steps, bookedStep{stepText(e.Step), at})
	case journal.AttemptFailed:
		b.job(e.Job, at).reason = reason(e.Error)
	case journal.JobHeld:
		b.job(e.Job, at).reason = reason(e.Error)
	case journal.JobFinished:
		b.end(at, e.Entry)
	}
}

func (b *jobBook) end(at time.Time, e ledger.Entry) {
	j := b.job(e.Name, at)
	if j.status == "" {
		b.ended = append(b.ended, j)
	}
	j.status, j.took, j.reason = e.Status, ofSeconds(e.DurationSeconds), ""
	if e.Status == ledger.Failed {
		j.reason = reason(e.Cause().String())
	}
	if e.LogPath != nil {
		j.log = *e.LogPath
	}
	if e.AttemptCount > 0 {
		j.attempt = e.AttemptCount
	}
}

// list is the jobs that a filter lets pass: those that run, the longest running first; those
// that failed; and all others that have ended, each the last first.
func (b *jobBook) list(running []*runningJob, filter string) []*bookedJob {
	var jobs []*bookedJob
	add := func(j *bookedJob) {
		if j != nil && j.matches(filter) {
			jobs = append(jobs, j)
		}
	}
	for _, r := range running {
		add(b.byName[r.name])
	}
	for _, failed := range []bool{true, false} {
		for i := len(b.ended) - 1; i >= 0; i-- {
			if j := b.ended[i]; (j.status == ledger.Failed) == failed {
				add(j)
			}
		}
	}
	return jobs
}

// matches tells whether a job has all words of a filter in its name, its state or its reason.
func (j *bookedJob) matches(filter string) bool {
	all := strings.ToLower(j.name + " " + j.word() + " " + j.reason)
	for word := range strings.FieldsSeq(strings.ToLower(filter)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

// word says how a job stands.
func (j *bookedJob) word() string {
	switch j.status {
	case "":
		return "running"
	case ledger.Built, ledger.Failed:
		return string(j.status)
	}
	return "skipped"
}

// text tells the same in a line's worth of words.
func (j *bookedJob) text() string {
	switch n := len(j.steps); {
	case j.status == ledger.Failed:
		return j.reason
	case j.status != "":
		return j.word()
	case n > 0:
		return j.steps[n-1].text
	case j.reason != "":
		return "next attempt: " + j.reason
	}
	return "starting"
}

// since is how long a job has run, or ran.
func (j *bookedJob) since(now time.Time) time.Duration {
	if j.status == "" {
		return now.Sub(j.began)
	}
	return j.took
}
