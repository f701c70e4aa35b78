package run

import (
	"github.com/stoker-build/stoker/internal/ledger"
)

// scouts find out whether it helps to try a step again. Of the jobs that fail in the
// same step with the same code, the first is tried again and the others wait for how
// that ends: a download that is flaky costs no job, and a step that is broken one
// further attempt in all. They are the scheduler's alone.
type scouts map[string]*scout // by the kinds of failures

type scout struct {
	task *task
	back bool // the attempt has ended
	vain bool // it failed in the same way
	// waiting are the tasks that wait for that.
	waiting []held
}

// held is a task that waits for a scout, with the failure that it waits after.
type held struct {
	task   *task
	failed failed
}

// of returns the scout for a kind of failure, which is t where there is none yet.
func (s scouts) of(kind string, t *task) *scout {
	if s[kind] == nil {
		s[kind] = &scout{task: t}
	}
	return s[kind]
}

// ended notes how an attempt at a job has ended: the kind of its failure, or "" where
// it was built. What one is built after may have changed for all. It returns the scouts
// that are back now.
func (s scouts) ended(t *task, kind string) (back []*scout) {
	for k, scout := range s {
		if scout.task == t && !scout.back {
			scout.back, scout.vain = true, k == kind
			back = append(back, scout)
		}
		if scout.back && (!scout.vain || kind == "") {
			delete(s, k)
		}
	}
	return back
}

// probation keeps a run from trying what is in vain: while no job was built, and all
// that failed did so in the same way, no more jobs are started than it takes to end
// the run for that (see hopeless). It is the scheduler's alone.
type probation struct {
	started, failed, settled int
	cause                    string // of all failures
	over                     bool   // something else has happened
}

// holds tells that no further job may start yet.
func (p *probation) holds() bool {
	return !p.over && p.failed > 0 && p.started >= hopelessAfter && p.settled < hopelessAfter
}

// fail notes that an attempt has failed.
func (p *probation) fail(f ledger.Failure) {
	p.over = p.over || !tellsOfOthers(f) || p.failed > 0 && p.cause != f.Cause()
	p.failed++
	p.cause = f.Cause()
}

// settle notes that a job is done with.
func (p *probation) settle(built bool) {
	p.settled++
	p.over = p.over || built
}
