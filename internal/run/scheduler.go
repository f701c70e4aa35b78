package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/throttle"
)

// scheduler decides what runs next. One goroutine, its loop, owns all of its state and
// nothing else changes it: what takes time runs in goroutines of its own, which hand the
// loop a function with what came of it. It waits for these, for the time when something
// may begin, and for being told that something came free; it looks at nothing again and
// again.
//
// Large: what it decides by must have one owner, or it would need locks; its files are by
// what is decided.
type scheduler struct {
	run       *run
	inbox     chan func()
	woken     chan struct{} // holds one: that something came free
	looping   bool          // the loop runs, so that only it may change what follows
	places    []*place
	queue     []*task         // that wait for a worker, in order
	rests     []*rest         // jobs between two attempts
	open      int             // tasks that are queued and not done
	complete  bool            // no more will be queued
	flying    int             // goroutines that will hand in a function
	searches  int             // of these, those that wait for a node that does not answer
	late      int             // of these, those that wait for one that never has
	pulls     int             // of the flying, those that pull ahead of jobs
	searching context.Context // of these
	endSearch context.CancelFunc
	stopping  bool // nothing is begun any more
	probation probation
	scouts    scouts
}

// place is a node as the scheduler has it. It is the scheduler's alone.
//
// Large: it is all that is decided by of a node.
type place struct {
	number    int // the node's
	node      *node.Node
	platforms []ocispecs.Platform // the one of its machine first
	pool      pool
	head      *task // the next job, which has no space yet
	ready     []*task
	// admitting says that space is being looked for, for head; again is when that is
	// done again.
	admitting bool
	again     time.Time
	giveWay   context.CancelCauseFunc // ends that, since another job goes first
	freed     atomic.Bool             // space may have come free; any goroutine sets it
	lost      bool                    // the node does not answer, and is waited for
	orphans   []orphan                // that wait for it
	ahead     ahead
}

// rest is a job that waits for a moment between two attempts.
type rest struct {
	task  *task
	until time.Time
}

func newScheduler(r *run) *scheduler {
	return &scheduler{run: r, inbox: make(chan func()), woken: make(chan struct{}, 1), scouts: scouts{}}
}

// wake has the loop look what can begin. It may be called from anywhere, and returns at
// once.
func (s *scheduler) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// fly does something in a goroutine that hands in what came of it. Only the loop calls
// it.
func (s *scheduler) fly(do func() (then func())) {
	s.flying++
	go func() {
		then := do()
		s.inbox <- func() {
			s.flying--
			then()
		}
	}()
}

// call has the loop do something, and waits for it. It is for goroutines that fly.
func (s *scheduler) call(do func()) {
	if !s.looping {
		do()
		return
	}
	done := make(chan struct{})
	s.inbox <- func() {
		defer close(done)
		do()
	}
	<-done
}

// loop runs the tasks that are queued, now or while first runs, until all are done or ctx
// ends it. It returns when nothing flies any more.
func (s *scheduler) loop(ctx context.Context, first func()) {
	s.looping = true
	search, endSearch := context.WithCancel(ctx)
	defer endSearch()
	s.searching, s.endSearch = search, endSearch
	s.fly(func() func() {
		first()
		return func() {
			s.complete = true
			s.awaitLate(ctx)
		}
	})
	ended := ctx.Done()
	began := time.Now()
	timer, sampler := time.NewTimer(throttle.Never), time.NewTimer(sampleInterval(0))
	defer timer.Stop()
	defer sampler.Stop()
	for {
		if ctx.Err() != nil && !s.stopping {
			s.stopping, ended = true, nil
			s.run.Journal.Tell(journal.Stopping{Reason: context.Cause(ctx).Error()})
		}
		wait := s.begin(ctx)
		if s.complete && s.open == 0 && s.flying == s.searches+s.pulls {
			s.endSearch() // nobody needs the node any more, nor what is pulled
		}
		if s.flying == 0 && (s.stopping || s.complete && s.open == 0) {
			break
		}
		if s.complete && s.open > 0 && wait == throttle.Never && ctx.Err() == nil && s.waitsInVain() {
			s.run.cancel(s.stuck())
			continue
		}
		timer.Reset(wait)
		select {
		case do := <-s.inbox:
			do()
		case <-s.woken:
		case <-timer.C:
		case <-sampler.C:
			s.sample()
			sampler.Reset(sampleInterval(time.Since(began)))
		case <-ended:
		}
	}
	s.looping = false
}

// begin begins all that can be, and returns how long it is until more may.
func (s *scheduler) begin(ctx context.Context) (wait time.Duration) {
	wait = throttle.Never
	if s.stopping {
		return wait
	}
	now := time.Now()
	s.rests = slices.DeleteFunc(s.rests, func(r *rest) bool {
		if over := !r.until.After(now); over {
			r.task.on[0].ready = append(r.task.on[0].ready, r.task)
			return true
		}
		wait = min(wait, r.until.Sub(now))
		return false
	})
	for _, p := range s.places {
		if p.lost {
			continue
		}
		for len(p.ready) > 0 && p.pool.free() {
			t := p.ready[0]
			p.ready = p.ready[1:]
			s.attempt(ctx, t)
		}
		wait = min(wait, s.admit(ctx, p))
		s.pullAhead(p)
	}
	return wait
}

// admit has space looked for on a node for the next job, and returns how long it is until
// that can be done.
func (s *scheduler) admit(ctx context.Context, p *place) (wait time.Duration) {
	if p.admitting || !p.pool.free() || s.probation.holds() {
		return throttle.Never // until something ends
	}
	if p.head == nil {
		if p.head, wait = s.next(ctx, p); p.head == nil && s.takeOver(p) {
			p.head, wait = s.next(ctx, p)
		}
		if p.head == nil {
			return wait
		}
		s.settle(p, p.head)
		s.probation.started++
	}
	s.yield(p)
	if rest := time.Until(p.again); rest > 0 && !p.freed.Load() {
		return rest
	}
	p.freed.Store(false)
	p.admitting = true
	p.pool.take()
	t := p.head
	asking, cancel := context.WithCancelCause(ctx)
	p.giveWay = cancel
	s.fly(func() func() {
		defer cancel(nil)
		short, err := t.reserve(asking)
		return func() { s.admitted(ctx, p, t, short, err) }
	})
	return throttle.Never
}

// reserve reserves a task's space on all nodes that it is built on, or on none.
func (t *task) reserve(ctx context.Context) (*node.Shortage, error) {
	t.tries.alone = 0
	for i, n := range t.nodes() {
		r, short, err := n.Reserve(ctx, t.number, t.job.Name, &t.wait)
		if r == nil {
			for _, reserved := range t.nodes()[:i] {
				reserved.Release(t.number)
			}
			return short, err
		}
		t.tries.alone = r.Alone
	}
	return nil, nil
}

// release gives a task's space back, for which others may wait.
func (t *task) release() {
	for _, p := range t.on {
		p.node.Release(t.number)
		p.freed.Store(true)
	}
}

// admitted goes on once it is known whether there is space for a job.
func (s *scheduler) admitted(ctx context.Context, p *place, t *task, short *node.Shortage, err error) {
	p.admitting = false
	p.pool.give()
	var lost *node.LostError
	switch {
	case errors.As(err, &lost):
		s.lose(ctx, p, nil, lost, false)
	case p.lost:
		if err == nil && short == nil {
			t.release()
		}
		s.moveAway(p)
	case err != nil: // ctx has ended
	case short != nil:
		p.again = time.Now().Add(node.RetryAfter)
		if short.News {
			s.run.Journal.Tell(journal.WaitingForSpace{Job: t.job.Name, NeedBytes: short.Need, Guessed: short.Guessed,
				FreeBytes: short.Free, Running: short.Running, Bound: short.Bound, Node: p.node.Name()})
		}
	default:
		p.head, p.again, t.wait = nil, time.Time{}, node.Wait{}
		if s.stopping {
			t.release()
			return
		}
		t.begin()
		t.tries.pauses = s.run.pauses()
		s.run.Journal.Tell(journal.JobStarted{Job: t.job.Name, Base: t.job.Base, Batch: t.result.batch, Images: t.reads(), Node: strings.Join(t.nodeNames(), " ")})
		s.attempt(ctx, t)
		p.ahead.due.Store(true)
	}
}

// next takes the first job from the queue that can be built on a node and has not to wait
// for anything else. Without one it returns how long the first has to.
func (s *scheduler) next(ctx context.Context, p *place) (*task, time.Duration) {
	wait := throttle.Never
	for i := 0; i < len(s.queue); i++ {
		t := s.queue[i]
		if _, t.failed = t.waitsFor(); t.failed != nil {
			s.queue = slices.Delete(s.queue, i, i+1)
			i--
			s.skipDependant(ctx, t)
			continue
		}
		if t.home != nil && t.home != p {
			continue
		}
		on := s.placesFor(t, p)
		if len(on) == 0 {
			continue
		}
		pause := s.pause(t)
		if pause <= 0 {
			s.queue = slices.Delete(s.queue, i, i+1)
			t.on = on
			return t, 0
		}
		wait = min(wait, pause)
	}
	return nil, wait
}

// pause is how long a job has to wait before it may be taken.
func (s *scheduler) pause(t *task) time.Duration {
	waits, _ := t.waitsFor()
	if waits || s.run.registries.waitsInVain(t) || s.run.recipes.holds(t.known.assembly) {
		return throttle.Never // until another job ends, or for ever
	}
	if rest := t.restForReach(); rest > 0 {
		return rest
	}
	return s.run.registries.mayAsk(t)
}

// enqueue adds tasks, in order.
func (s *scheduler) enqueue(tasks ...*task) {
	s.open += len(tasks)
	s.queue = append(s.queue, tasks...)
	for _, p := range s.places {
		p.ahead.due.Store(true)
	}
}
