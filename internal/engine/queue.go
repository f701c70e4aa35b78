package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/layers"
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

// arrange puts the open tasks into the order in which they are built, and
// numbers tasks and jobs by it. The places of tasks that are done stay theirs,
// so that batches keep their sizes.
func (r *run) arrange(tasks []*task, jobs []cache.Job) []*task {
	if r.Order == OrderGiven {
		return tasks
	}
	var open []int
	var chains []layers.Chain
	for i, t := range tasks {
		if !t.done {
			open = append(open, i)
			chains = append(chains, deepest(t.bases))
		}
	}
	arranged, arrangedJobs := slices.Clone(tasks), slices.Clone(jobs)
	for to, from := range layers.Order(chains) {
		place := open[to]
		t := tasks[open[from]]
		arrangedJobs[place] = jobs[open[from]]
		arrangedJobs[place].ID = place
		t.index, t.entry.Batch = place, r.Plan.Batch(place)
		arranged[place] = t
	}
	copy(jobs, arrangedJobs)
	return arranged
}

// deepest returns the largest of a job's base images: the one that decides
// where it stands among the others.
func deepest(bases []layers.Chain) layers.Chain {
	var most layers.Chain
	for _, c := range bases {
		if c.Size() > most.Size() || len(most.Layers) == 0 {
			most = c
		}
	}
	return most
}

// queue has the tasks that wait for a worker, in order.
type queue struct {
	mu      sync.Mutex
	waiting []*task
	open    int // tasks that are waiting or running
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

// back puts a running task to the front.
func (q *queue) back(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.Insert(q.waiting, 0, t)
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

// take returns the next task, and waits while one that runs may still come
// back; nil when all are done or ctx is cancelled.
func (q *queue) take(ctx context.Context) *task {
	for {
		q.mu.Lock()
		changed := q.changed
		if len(q.waiting) > 0 && ctx.Err() == nil {
			t := q.waiting[0]
			q.waiting = q.waiting[1:]
			q.mu.Unlock()
			return t
		}
		over := q.open == 0
		q.mu.Unlock()
		if over || ctx.Err() != nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
