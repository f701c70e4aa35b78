package engine

import (
	"context"
	"sync"

	"github.com/stoker-build/stoker/internal/ledger"
)

// scouts find out whether it helps to try a step again. Of the jobs that fail in the
// same step with the same code, the first is tried again and the others wait for how
// that ends: a download that is flaky costs no job, and a step that is broken one
// further attempt in all.
type scouts struct {
	mu     sync.Mutex
	byKind map[string]*scout
}

type scout struct {
	task *task
	back chan struct{} // closed once the attempt has ended
	vain bool          // it failed in the same way; set before back is closed
}

func newScouts() *scouts { return &scouts{byKind: map[string]*scout{}} }

// of returns the scout for a kind of failure, which is t where there is none yet.
func (s *scouts) of(kind string, t *task) *scout {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKind[kind] == nil {
		s.byKind[kind] = &scout{task: t, back: make(chan struct{})}
	}
	return s.byKind[kind]
}

// ended notes how an attempt at a job has ended: the kind of its failure, or "" where
// it was built. What one is built after may have changed for all.
func (s *scouts) ended(t *task, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, scout := range s.byKind {
		if scout.task == t && !scout.isBack() {
			scout.vain = k == kind
			close(scout.back)
		}
		if scout.isBack() && (!scout.vain || kind == "") {
			delete(s.byKind, k)
		}
	}
}

func (s *scout) isBack() bool {
	select {
	case <-s.back:
		return true
	default:
		return false
	}
}

// worthTrying tells whether a job may be tried again after a step of it has failed.
// Until that is known, another job has its worker. An error is ctx's.
func (r *run) worthTrying(ctx context.Context, t *task) (bool, error) {
	s := r.scouts.of(t.entry.Failure.Kind(), t)
	if s.task == t {
		return true, nil
	}
	if err := r.restUntil(ctx, s.back); err != nil {
		return false, err
	}
	return !s.vain, nil
}

// probation keeps a run from trying what is in vain: while no job was built, and all
// that failed did so in the same way, no more jobs are started than it takes to end
// the run for that (see hopeless).
type probation struct {
	mu                       sync.Mutex
	started, failed, settled int
	kind                     string // of all failures
	over                     bool   // something else has happened
	changed                  chan struct{}
}

func newProbation() *probation { return &probation{changed: make(chan struct{})} }

// holds tells that no further job may start yet.
func (p *probation) holds() bool {
	return !p.over && p.failed > 0 && p.started >= hopelessAfter && p.settled < hopelessAfter
}

// note changes what is known, for whoever waits.
func (p *probation) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// begin notes that a job starts.
func (p *probation) begin() { p.note(func() { p.started++ }) }

// putBack notes that a job that has started will start once more.
func (p *probation) putBack() { p.note(func() { p.started-- }) }

// fail notes that an attempt has failed.
func (p *probation) fail(f ledger.Failure) {
	p.note(func() {
		p.over = p.over || !tellsOfOthers(f) || p.failed > 0 && p.kind != f.Kind()
		p.failed++
		p.kind = f.Kind()
	})
}

// settle notes that a job is done with.
func (p *probation) settle(built bool) {
	p.note(func() {
		p.settled++
		p.over = p.over || built
	})
}

// wait returns when the next job may start. The error is ctx's.
func (p *probation) wait(ctx context.Context) error {
	for {
		holds, changed := p.state()
		if !holds {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *probation) state() (holds bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holds(), p.changed
}

// takeWorker returns when a worker is free for another job and that may start. No
// worker is held while it may not. The error is ctx's.
func (r *run) takeWorker(ctx context.Context) error {
	for {
		if err := r.probation.wait(ctx); err != nil {
			return err
		}
		if err := r.slots.Acquire(ctx, 1); err != nil {
			return err
		}
		if holds, _ := r.probation.state(); !holds {
			return nil
		}
		r.release()
	}
}
