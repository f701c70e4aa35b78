package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// How often a survey that takes long tells how far it is.
	surveyInterval = 2 * time.Second
	// How often it is asked meanwhile whether the nodes answer at all.
	silentInterval = 15 * time.Second
	// How long the sizes of layers are asked for: they only make forecasts better.
	sizesTimeout = 15 * time.Second
	// How long a run that has nothing left to build looks for what its earlier part left.
	keptTimeout = 30 * time.Second
)

// survey asks the builder what every job's build does, orders the jobs by what
// they share, and fails those early of which it says that they cannot be built.
//
// Where that takes long, the first jobs are built meanwhile. Jobs that are done are asked
// about too, since what they made is the run's, but nothing depends on the answer.
func (r *run) survey(ctx context.Context, tasks []*task) []*task {
	if !slices.ContainsFunc(tasks, (*task).wasLeft) {
		if len(r.Resume.Kept) == 0 || r.Prune.Policy != node.PruneCompleted {
			r.tellKnown(ctx, tasks)
			return tasks // nothing is built, and so nothing swept
		}
		bounded, cancel := context.WithTimeout(ctx, keptTimeout)
		defer cancel()
		ctx = bounded
	}
	r.linkSteps(ctx, tasks)
	r.linkTasks(ctx, tasks)
	s := r.ask(ctx, tasks)
	var unknown []error
	tasks = s.tasks
	for _, t := range tasks {
		if t.begun {
			continue
		}
		a := s.answers[t]
		t.take(a)
		if r.Ledger != nil {
			r.registries.throttledInSurvey(ctx, t, a.err)
		}
		upon := len(t.images) > 0 // it may be that an image is yet to be made
		if a.err != nil && !a.known && !t.done() && !upon && !r.refused(t, a.err) {
			t.known.untold = a.err
			unknown = append(unknown, fmt.Errorf("%s: %w", t.job.Name, a.err))
		}
	}
	if ctx.Err() == nil {
		r.tellUnknown(unknown)
	}
	r.linkImages(tasks)
	var heirs []*task
	r.scheduler.call(func() {
		r.scheduler.recall()
		tasks = r.arrange(tasks)
		r.bequeath(tasks)
		r.findAssemblies(tasks)
		heirs = slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return !t.isOpen() || !t.inherits() })
	})
	r.inherit(ctx, heirs)
	r.sizeLayers(ctx, slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return !t.isOpen() }))
	r.scheduler.call(func() {
		for _, t := range tasks {
			r.scheduler.finishNeeds(t)
		}
	})
	r.registries.tellLimits()
	r.know(tasks)
	r.askStrangers(ctx)
	r.tellKnown(ctx, tasks)
	return tasks
}

// know tells the nodes what tasks do.
func (r *run) know(tasks []*task) {
	for _, p := range r.scheduler.places {
		p.know(tasks)
	}
}

// know tells a node what tasks do.
func (p *place) know(tasks []*task) {
	jobs := make([]node.Job, len(tasks))
	for i, t := range tasks {
		jobs[i] = node.Job{Number: t.number, Kind: t.job.Kind, Unpulled: t.known.unpulled}
	}
	p.node.Know(jobs)
}

// needsOf are the needs of a plan's jobs, of which nothing is known yet.
func needsOf(p *plan.Plan) *cache.Needs {
	jobs := make([]cache.Job, len(p.Jobs))
	for i, job := range p.Jobs {
		jobs[i].Name = job.Name
	}
	return cache.NewNeeds(jobs)
}

// answer is what the builder said of one job, but for its graph.
type answer struct {
	images  []graph.Image
	demands []graph.Demand
	parts   *graph.Graph // only where several nodes build a part each
	known   bool         // what the job does
	err     error
	// assembly is nil where byBuilder says why the image cannot be assembled.
	assembly  *assembly
	byBuilder string
	asked     string
	linked    bool
	copies    bool
	unpulled  []graph.ID
}

// isKnown tells whether it is known what the job does, or that it cannot be built.
func (a answer) isKnown() bool {
	if a.known || a.err == nil {
		return true
	}
	class, _ := builder.Classify(unredacted(a.err))
	return class == builder.Permanent
}

// answerOf is what the builder said of a job, but for its graph.
func (r *run) answerOf(job *plan.Job, g graph.Graph, err error) answer {
	a := answer{images: g.Images, demands: g.Demands, known: len(g.Vertices) > 0, err: redacted(r.Redact, err)}
	if r.nodes() > 1 && len(job.Options.Platforms) > 1 {
		a.parts = &g
	}
	if a.known {
		a.assembly, a.byBuilder = r.recipes.assemblyOf(job, g)
		a.asked = assemble.Refusal(job, r.recipes.Attests)
		a.linked, a.copies, a.unpulled = g.Linked != nil, g.Copies, unpulled(job, &g)
	}
	return a
}

// take notes what the builder said.
func (t *task) take(a answer) {
	t.known.images, t.known.demands, t.known.parts, t.known.unreached = a.images, a.demands, a.parts, time.Time{}
	t.known.assembly, t.known.byBuilder, t.known.linked = a.assembly, a.byBuilder, a.linked
	t.known.asked, t.known.copies, t.known.unpulled = a.asked, a.copies, a.unpulled
	if errors.Is(a.err, builder.ErrUnreachable) {
		t.known.unreached = time.Now()
	}
	for _, image := range t.known.images {
		t.job.Images = append(t.job.Images, image.Ref)
	}
}

// reach asks again about a job of which the builder could not tell, since a registry
// did not answer it: a build would wait for that for minutes.
func (r *run) reach(ctx context.Context, t *task) error {
	if t.known.unreached.IsZero() || r.Graphs == nil {
		return nil
	}
	var g graph.Graph
	var answer error
	err := r.Graphs.Graphs(ctx, []*plan.Job{t.job}, func(_ *plan.Job, told graph.Graph, err error) { g, answer = told, err })
	if err != nil || errors.Is(answer, builder.ErrUnreachable) {
		t.known.unreached = time.Now()
		return errors.Join(err, answer)
	}
	if answer != nil && isThrottled(answer) {
		return answer
	}
	t.known.unreached = time.Time{}
	if answer == nil {
		r.learnGraph(t, g)
	}
	return nil
}

// restForReach is how long a job has to wait before it is asked about again: a
// registry that did not answer is left alone, while other jobs are built.
func (t *task) restForReach() time.Duration {
	if t.known.unreached.IsZero() {
		return 0
	}
	return max(builder.UnreachablePause-time.Since(t.known.unreached), 0)
}

// refused tells whether an error means that a job cannot be built at all, as the
// builder says, and fails it then.
func (r *run) refused(t *task, err error) bool {
	if class, _ := builder.Classify(unredacted(err)); class != builder.Permanent {
		return false
	}
	r.failFor(t, err)
	return true
}

// failFor has a job fail before its first attempt, for an error.
func (r *run) failFor(t *task, err error) {
	class, why := builder.Classify(unredacted(err))
	t.result.failure = explain(r.Redact, t, err, class, why)
	t.early = &explainedError{err, t.result.failure.String()}
	var linked *builder.LinkedError
	t.byLink = errors.As(unredacted(err), &linked)
}

// tellUnknown says once of how many jobs it is not known what they do.
func (r *run) tellUnknown(errs []error) {
	if len(errs) == 0 {
		return
	}
	r.warn("", "the builder did not tell what %s would do, which is learned when they are built; until then nothing is kept for them and nothing reserved (%s)",
		plural.Of(len(errs), "job"), visible.FirstLine(errs[0].Error()))
}

// learnGraph takes what a build that has begun will really do. It may be
// something else than was planned: a tag may have moved.
func (r *run) learnGraph(t *task, g graph.Graph) {
	if t.known.parts != nil {
		t.known.parts.Join(g)
		g = *t.known.parts
	}
	r.steps.Take(t.job.Source.Name(), g, t.job.Proved.AsWritten)
	var known []*task
	r.scheduler.call(func() { known = r.inherited(t, g) }) // a build may begin before it is known who is whose heir
	defer r.settleHeir(t, known)
	if !r.needs.Learn(t.number, g) {
		return
	}
	r.scheduler.call(func() { // a node may have come late
		t.known.unpulled = unpulled(t.job, &g)
		r.know([]*task{t})
	})
	if len(t.known.images) == 0 || len(t.after) > 0 {
		return // it was not known before, or another job has made it
	}
	for _, image := range g.Images {
		name, _, _ := strings.Cut(image.Ref, "@")
		for _, planned := range t.known.images {
			if was, _, _ := strings.Cut(planned.Ref, "@"); was == name && planned.Digest != image.Digest {
				r.warn(t.job.Name, "%s has moved since the run began, from %s to %s: the job is built on what it is now",
					name, planned.Digest, image.Digest)
			}
		}
	}
	t.known.images = g.Images
}

// sizeLayers asks the registries for the compressed sizes of layers, as far as
// they answer soon. What they do not tell is learned from the cache.
func (r *run) sizeLayers(ctx context.Context, tasks []*task) {
	if r.Registries.LayerSizes == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sizesTimeout)
	defer cancel()
	var images []graph.Image
	r.scheduler.call(func() { // what heirs read may become known meanwhile
		for _, t := range tasks {
			images = append(images, t.known.images...)
		}
	})
	var group errgroup.Group
	group.SetLimit(lookupWorkers)
	asked := map[string]bool{}
	for _, image := range images {
		key := image.Ref + " " + image.Platform
		if image.Unknown || image.Digest == "" || asked[key] {
			continue
		}
		asked[key] = true
		group.Go(func() error {
			sizes, err := r.Registries.LayerSizes(ctx, image.Ref, image.Platform)
			if err == nil && len(sizes) == len(image.Layers) {
				for i, layer := range image.Layers {
					r.needs.SetSize(layer, sizes[i])
				}
			}
			return nil
		})
	}
	_ = group.Wait()
}
