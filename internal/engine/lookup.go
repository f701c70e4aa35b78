package engine

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// lookup is what the registry said of a job's tags.
type lookup struct {
	digest  string
	exists  bool // all tags do
	err     error
	took    time.Duration
	started time.Time
}

// How many jobs are looked up, or surveyed, at once.
const lookupWorkers = 16

// check makes the tasks of the plan, and ends those whose images are in the
// registry already. The registry is asked about many jobs at a time, so that a
// run over what exists takes seconds.
func (r *run) check(ctx context.Context) []*task {
	tasks := make([]*task, len(r.Plan.Jobs))
	answers := make([]chan lookup, len(tasks))
	resumed, again := r.resumed(), map[string]bool{}
	for _, name := range r.Again {
		again[name] = true
	}
	for i, job := range r.Plan.Jobs {
		tasks[i] = &task{index: i, job: job, entry: ledger.Entry{Name: job.Name, BaseImage: job.Base, Tags: job.Tags, Batch: r.Plan.Batch(i)}}
		answers[i] = make(chan lookup, 1)
		if tasks[i].done = resumed[job.Name]; tasks[i].done {
			r.kept(tasks[i])
		}
	}
	var group errgroup.Group
	group.SetLimit(lookupWorkers)
	go func() {
		for i, t := range tasks {
			if t.done || again[t.job.Name] {
				answers[i] <- lookup{}
				continue
			}
			group.Go(func() error {
				answers[i] <- r.lookUp(ctx, t.job)
				return nil
			})
		}
	}()
	silent := 0
	var why string
	for i, t := range tasks {
		found := <-answers[i]
		if t.done {
			continue
		}
		r.skip(t, found)
		if found.err != nil {
			silent, why = silent+1, found.err.Error()
		}
	}
	if silent > 0 {
		r.warn("", "the registry did not say of %d of the jobs whether their images exist, so they are built (%s)", silent, firstLine(why))
	}
	return tasks
}

// resumed are the names of the jobs that an earlier run has finished.
func (r *run) resumed() map[string]bool {
	names := map[string]bool{}
	for _, e := range r.Resumed {
		names[e.Name] = true
	}
	return names
}

// keptJobs counts the jobs that an earlier run has finished, and the batches of which
// it has finished all.
func (r *run) keptJobs() (jobs, batches int) {
	resumed := r.resumed()
	open := map[int]bool{}
	for i, job := range r.Plan.Jobs {
		if resumed[job.Name] {
			jobs++
		} else {
			open[r.Plan.Batch(i)] = true
		}
	}
	return jobs, r.Plan.Batches() - len(open)
}

// kept counts a job of a resumed run that is done.
func (r *run) kept(t *task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches[t.entry.Batch-1].open--
	r.batches[t.entry.Batch-1].built++
	r.ended[t] = ledger.Built
}

// lookUp asks the registry about the tags of a job whose image is only pushed: of
// another, files are wanted or an image in docker, whatever the registry has.
func (r *run) lookUp(ctx context.Context, job *plan.Job) (l lookup) {
	if r.Registry == nil || len(job.Tags) == 0 || !job.PushesOnly() || ctx.Err() != nil {
		return lookup{}
	}
	l.started = time.Now()
	defer func() { l.took = time.Since(l.started) }()
	for i, tag := range job.Tags {
		digest, exists, err := r.Registry.Exists(ctx, tag)
		if err != nil || !exists {
			l.err = err
			return l
		}
		if i == 0 {
			l.digest = digest
		}
	}
	l.exists = true
	return l
}

// skip ends a task whose image exists already.
func (r *run) skip(t *task, l lookup) {
	t.entry.RemoteCheckSeconds = seconds(l.took)
	if l.err != nil {
		message := fmt.Sprintf("the registry did not say whether %s exists, so it is built: %s", t.job.Tags[0], l.err)
		t.entry.SkipReason = &message
	}
	if !l.exists {
		return
	}
	reason := ledger.TagExists
	t.entry.StartedAt = ledger.Time{Time: l.started}
	t.end(nil)
	t.entry.DurationSeconds = seconds(l.took)
	t.entry.Status, t.entry.SkipReason, t.entry.Digest = ledger.Skipped, &reason, l.digest
	r.record(t)
}
