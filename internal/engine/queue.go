package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/throttle"
)

// Order says in which order jobs are built.
type Order string

// The orders.
const (
	// OrderShared keeps shared layers for the shortest time.
	OrderShared Order = "shared"
	// OrderGiven is that of the input.
	OrderGiven Order = "given"
)

// arrange puts the open tasks into the order in which they are built. The places of
// tasks that are done stay theirs, so that batches keep their sizes, and of those
// that have begun.
func (r *run) arrange(tasks []*task) []*task {
	var places, open []int // of the open tasks
	for i, t := range tasks {
		if !t.begun && !t.done {
			open = append(open, i)
		}
	}
	places = slices.Clone(open)
	if r.Order == OrderShared {
		r.needs.Read(func(g *graph.Shared) { open = g.Order(open, weight(g)) })
	}
	inOrder := make([]*task, len(open))
	for i, from := range open {
		inOrder[i] = tasks[from]
	}
	arranged := slices.Clone(tasks)
	for i, t := range afterOthers(inOrder) {
		arranged[places[i]] = t
	}
	r.renumber(arranged)
	return arranged
}

// renumber gives all tasks the numbers of their places, in the plan and in what they
// need, too.
func (r *run) renumber(tasks []*task) {
	order := make([]int, len(tasks))
	for place, t := range tasks {
		order[place] = t.index
		if t.index != place { // else a build that has begun may look at it
			t.index, t.entry.Batch = place, r.Plan.Batch(place)
		}
	}
	r.Plan.Reorder(order)
	r.needs.Renumber(order)
}

// A step whose size nobody knows weighs as much as a small layer.
const stepWeight = 1 << 20

// weight is what the order of jobs takes vertices to weigh.
func weight(g *graph.Shared) func(v int32) int64 {
	return func(v int32) int64 {
		if g.Kind(v) == graph.Source {
			return 0
		}
		return max(g.Size(v), stepWeight)
	}
}

// queue has the tasks that wait for a worker, in order.
type queue struct {
	mu      sync.Mutex
	waiting []*task
	open    int  // tasks that are waiting or running
	all     bool // no more will be added
	changed chan struct{}
}

func newQueue() *queue { return &queue{changed: make(chan struct{})} }

// add appends a task.
func (q *queue) add(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open++
	q.waiting = append(q.waiting, t)
	q.note()
}

// complete says that no more will be added.
func (q *queue) complete() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all = true
	q.note()
}

// size is the number of tasks that are waiting or running.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open
}

// back puts a running task to the front.
func (q *queue) back(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.Insert(q.waiting, 0, t)
	q.note()
}

// later puts a running task to the end.
func (q *queue) later(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, t)
	q.note()
}

// look has take look again: a task may have to wait no longer.
func (q *queue) look() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.note()
}

// drop notes that a running task will not come back.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open--
	q.note()
}

func (q *queue) note() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// take returns the next task that has not to wait, which pause tells. It waits
// while there is none, but more may be added or come back; nil when all are
// done, when all that are left have to wait for ever, or ctx is cancelled.
func (q *queue) take(ctx context.Context, pause func(*task) time.Duration) *task {
	for ctx.Err() == nil {
		q.mu.Lock()
		changed := q.changed
		t, wait := q.next(pause)
		over := q.all && (q.open == 0 || q.open == len(q.waiting) && wait == throttle.Never)
		q.mu.Unlock()
		if t != nil || over {
			return t
		}
		select {
		case <-changed:
		case <-time.After(min(wait, queueInterval)):
		case <-ctx.Done():
		}
	}
	return nil
}

// How long take waits at most before it looks again.
const queueInterval = time.Minute

// next removes and returns the first task that has not to wait; without one it
// returns how long the first has to. The caller holds mu.
func (q *queue) next(pause func(*task) time.Duration) (*task, time.Duration) {
	wait := throttle.Never
	for i, t := range q.waiting {
		p := pause(t)
		if p <= 0 {
			q.waiting = slices.Delete(q.waiting, i, i+1)
			return t, 0
		}
		wait = min(wait, p)
	}
	return nil, wait
}
