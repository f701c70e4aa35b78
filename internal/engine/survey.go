package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/plan"
)

// need is what the unfinished jobs need of the cache. Before the survey, and
// after a failed one, it is empty and explains nothing.
type need struct {
	jobs *cache.Needs

	mu    sync.Mutex
	steps map[string]bool // descriptions of the records that the plan's builds make
}

// finish notes that a job needs nothing any more.
func (n *need) finish(job int) {
	if n.jobs != nil {
		n.jobs.Finish(job)
	}
}

func (n *need) addSteps(names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.steps == nil {
		n.steps = map[string]bool{}
	}
	for _, name := range names {
		n.steps[unnumbered(name)] = true
	}
}

var stepNumber = regexp.MustCompile(`^\[([^\]]*?) ?\d+/\d+\]`)

// unnumbered is a step's name without its place in the Dockerfile, such as
// "[stage-1] COPY a b" for "[stage-1 3/5] COPY a b": whether a FROM counts
// depends on its base image, which an analysis does not have.
func unnumbered(name string) string { return stepNumber.ReplaceAllString(name, "[$1]") }

func (n *need) hasStep(description string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.steps[unnumbered(description)]
}

// survey finds out what every job's build reads and resolves it to chains, many
// jobs at a time. An open job whose base image does not exist is failed here,
// before anything is built for it.
func (r *run) survey(ctx context.Context, tasks []*task) []*task {
	jobs := make([]cache.Job, len(tasks))
	if !slices.ContainsFunc(tasks, func(t *task) bool { return !t.done }) {
		r.need.jobs = cache.NewNeeds(nil)
		return tasks // nothing is built, and so nothing swept
	}
	var group errgroup.Group
	group.SetLimit(lookupWorkers)
	for i, t := range tasks {
		jobs[i] = cache.Job{ID: i, Name: t.job.Name}
		group.Go(func() error {
			if t.done {
				r.surveyDone(ctx, t, &jobs[i])
			} else {
				r.surveyJob(ctx, t, &jobs[i])
			}
			return nil
		})
	}
	_ = group.Wait()
	tasks = r.arrange(tasks, jobs)
	r.need.jobs = cache.NewNeeds(jobs)
	for _, t := range tasks {
		for _, c := range t.bases {
			for depth, k := range c.Keys() {
				r.room.sizes[k] = c.Layers[depth].Size
			}
		}
		if t.done {
			r.need.finish(t.index)
		}
	}
	return tasks
}

// surveyJob fills in what the cache must know of one job.
func (r *run) surveyJob(ctx context.Context, t *task, job *cache.Job) {
	if r.Chains == nil || ctx.Err() != nil {
		job.Opaque = true
		return
	}
	for _, platform := range r.platformsOf(t.job) {
		reads, err := t.job.Reads(ctx, platform)
		if err != nil {
			job.Opaque = true
			r.emit(Warning{Job: t.job.Name, Message: err.Error() + "; its cache is kept until the run ends"})
			return
		}
		r.need.addSteps(reads.Steps)
		for _, ref := range reads.Bases {
			chain, err := r.Chains.Resolve(ctx, ref)
			if err != nil {
				r.unresolved(t, job, err)
				continue
			}
			job.Bases = append(job.Bases, chain)
			t.bases = job.Bases
		}
	}
}

// surveyDone fills in what is known of a job that an earlier run finished: what
// that run left of it in the cache is dead, not foreign. What cannot be had
// makes no difference to the job.
func (r *run) surveyDone(ctx context.Context, t *task, job *cache.Job) {
	if r.Chains == nil {
		return
	}
	for _, platform := range r.platformsOf(t.job) {
		reads, err := t.job.Reads(ctx, platform)
		if err != nil {
			return
		}
		r.need.addSteps(reads.Steps)
		for _, ref := range reads.Bases {
			if chain, err := r.Chains.Resolve(ctx, ref); err == nil {
				job.Bases = append(job.Bases, chain)
			}
		}
	}
}

// unresolved deals with a base image that the registry does not give. Where it
// says so for good, the job fails; else the build may have more luck.
func (r *run) unresolved(t *task, job *cache.Job, err error) {
	job.Opaque = true
	gone := errors.Is(err, layers.ErrNotFound) || errors.Is(err, layers.ErrDenied)
	for _, n := range r.Nodes {
		gone = gone && !n.HasOwnImages()
	}
	if gone {
		t.early = r.redacted(fmt.Errorf("a base image cannot be had: %w", err))
		return
	}
	r.emit(Warning{Job: t.job.Name, Message: fmt.Sprintf("%s; its cache is kept until the run ends", err)})
}

// platformsOf returns the platforms that a job is built for.
func (r *run) platformsOf(job *plan.Job) []ocispecs.Platform {
	if len(job.Options.Platforms) > 0 {
		return job.Options.Platforms
	}
	if len(r.Nodes) > 0 {
		return []ocispecs.Platform{r.Nodes[0].Platform()}
	}
	return []ocispecs.Platform{platforms.DefaultSpec()}
}

// finishEarly ends the tasks that the survey found hopeless.
func (r *run) finishEarly(ctx context.Context, tasks []*task) {
	for _, t := range tasks {
		if t.done || t.early == nil || ctx.Err() != nil {
			continue
		}
		t.begin()
		t.entry.ErrorClass = string(builder.Permanent)
		t.end(t.early)
		r.record(t)
		r.stopEarly(t.early)
	}
}
