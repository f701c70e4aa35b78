package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/visible"
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
	for _, name := range r.Resume.Again {
		again[name] = true
	}
	for i, job := range r.Plan.Jobs {
		tasks[i] = &task{number: i, job: job, result: result{batch: r.Plan.Batch(i)}}
		answers[i] = make(chan lookup, 1)
		if e, is := resumed[job.Name]; is {
			r.kept(tasks[i], e)
		} else if job.Problem != nil {
			r.failFor(tasks[i], job.Problem)
		}
	}
	var group errgroup.Group
	group.SetLimit(lookupWorkers)
	go func() {
		for i, t := range tasks {
			if _, kept := resumed[t.job.Name]; kept || again[t.job.Name] || t.job.Problem != nil {
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
		if t.done() {
			continue
		}
		r.skip(ctx, t, found)
		if found.err != nil {
			silent, why = silent+1, found.err.Error()
		}
	}
	if silent > 0 {
		r.warn("", "the registry did not say of %d of the jobs whether their images exist, so they are built (%s)", silent, visible.FirstLine(why))
	}
	return tasks
}

// resumed are the entries of the jobs that an earlier run has finished, by their names.
func (r *run) resumed() map[string]ledger.Entry {
	entries := map[string]ledger.Entry{}
	for _, e := range r.Resume.Kept {
		entries[e.Name] = e
	}
	return entries
}

// keptJobs counts the jobs that an earlier run has finished, and the batches of which
// it has finished all.
func (r *run) keptJobs() (jobs, batches int) {
	resumed := r.resumed()
	open := map[int]bool{}
	for i, job := range r.Plan.Jobs {
		if _, is := resumed[job.Name]; is {
			jobs++
		} else {
			open[r.Plan.Batch(i)] = true
		}
	}
	return jobs, r.Plan.Batches() - len(open)
}

// kept counts a job of a resumed run that is done, and takes over what was made.
func (r *run) kept(t *task, e ledger.Entry) {
	b := &r.accounts.batches[t.result.batch-1]
	b.open--
	if e.Status == ledger.Skipped {
		b.skipped++
	} else {
		b.built++
	}
	t.ended = ledger.Built
	t.made, t.result.build.Digest = e.Status == ledger.Built, e.Digest
}

// lookUp asks the registry about the tags of a job.
func (r *run) lookUp(ctx context.Context, job *plan.Job) (l lookup) {
	if r.Registries.Tags == nil || !mayBeThere(job) || ctx.Err() != nil {
		return lookup{}
	}
	l.started = time.Now()
	digest, exists, err := TagsExist(ctx, r.Registries.Tags, job)
	l.digest, l.exists, l.err = digest, exists, redacted(r.Redact, err)
	l.took = time.Since(l.started)
	return l
}

// mayBeThere tells whether a job can be done because the registry has its image: of one
// that is not only pushed, files are wanted or an image in docker, whatever is there.
func mayBeThere(job *plan.Job) bool { return len(job.Tags) > 0 && job.PushesOnly() }

// TagsExist tells whether a job can be skipped because all its tags are there, and the
// digest of the first.
func TagsExist(ctx context.Context, tags Registry, job *plan.Job) (digest string, exists bool, err error) {
	if !mayBeThere(job) {
		return "", false, nil
	}
	for i, tag := range job.Tags {
		d, exists, err := tags.Exists(ctx, tag)
		if err != nil || !exists {
			return "", false, err
		}
		if i == 0 {
			digest = d
		}
	}
	return digest, true, nil
}

// skip ends a task whose image exists already.
func (r *run) skip(ctx context.Context, t *task, l lookup) {
	t.result.checked = check{l.started, l.took}
	if l.err != nil {
		t.result.skip = fmt.Sprintf("the registry did not say whether %s exists, so it is built: %s", t.job.Tags[0], l.err)
	}
	if !l.exists {
		return
	}
	t.result.began, t.result.skip, t.result.build.Digest = l.started, ledger.TagExists, l.digest
	if slices.Contains(r.Resume.CutShort, t.job.Name) {
		t.result.skip = ledger.CutShortExists
	}
	t.finish(ledger.Skipped, nil)
	t.result.ended = l.started.Add(l.took)
	if r.Ledger == nil { // a forecast: nothing is kept on record
		t.ended = ledger.Skipped
		return
	}
	if e, kept := r.keep(t); kept {
		r.scheduler.account(ctx, t, e)
	}
}
