// Package examine asks everybody concerned about a plan before anything is built: which
// tags exist, whether images may be pushed, which base images there are, what the builder
// says of the Dockerfiles, whether it fits. All that is asked has a bound in time, and
// what was not told is said to be unknown.
package examine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/moby/buildkit/frontend/subrequests/lint"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/throttle"
)

// Builder is asked about images and Dockerfiles.
type Builder interface {
	AskImages(ctx context.Context, images []plan.Image, pull bool, found func(plan.Image, builder.ImageAnswer)) error
	Check(ctx context.Context, job *plan.Job) (lint.LintResults, error)
	CanLoad(ctx context.Context, jobs []*plan.Job) error
}

// Registry is asked about tags, repositories and limits.
type Registry interface {
	run.Registry
	CanPush(ctx context.Context, image string) error
	Tags(ctx context.Context, image string) ([]string, error)
	Repositories(ctx context.Context, image string) ([]string, error)
	Ask(ctx context.Context, image string) throttle.Answer
	Limits() map[string]throttle.Limit
}

// Options say what is asked, and whom.
type Options struct {
	Plan *plan.Plan
	// Builder is nil where none could be reached; Unreached says why.
	Builder   Builder
	Unreached error
	// Platform is what the builder builds for where jobs do not say.
	Platform ocispecs.Platform
	Registry Registry
	// Force says that images are built whether they exist or not.
	Force bool
	// Forecast tells what a run of some of the plan's jobs would come to.
	Forecast func(ctx context.Context, p *plan.Plan) (run.Planned, error)
	// Learned is what earlier runs have seen of the jobs' steps.
	Learned ledger.LearnedSteps
	// PreflightFree must be free at the start; with FreeForeign it is made free.
	PreflightFree int64
	FreeForeign   bool
	// Writes are the files and directories that a run would write.
	Writes []plan.Written
}

const (
	// How long registries are waited for in all, and the builder for base images: some
	// of what is asked may be at hosts that say nothing.
	registryPatience = time.Minute
	questionPatience = 20 * time.Second // of one question
	imagesPatience   = 2 * time.Minute
	// How long the names that are near to those of missing images are looked for.
	namesPatience = 20 * time.Second
	// How many questions to registries, or to the builder, are asked at once.
	askers = 16
)

// examination is one under way. Its methods may be called concurrently where they take mu.
type examination struct {
	Options
	hosts hosts
	// makers are the jobs that make images, by their tags.
	makers plan.Makers

	mu     sync.Mutex // guards what follows
	report check.Report
	// faulty are the jobs that cannot be built, by their names.
	faulty map[string]bool
	// untold are those whose base images could not be asked for.
	untold map[string]bool
	// absent are the images that cannot be read.
	absent map[string]*absence
	// unchecked is what came of BuildKit's checks that is not what they are for.
	unchecked []check.Finding
}

// Plan examines a plan.
func Plan(ctx context.Context, o Options) *check.Report {
	e := &examination{Options: o, makers: plan.MakersOf(o.Plan.Jobs), faulty: map[string]bool{}, untold: map[string]bool{}, absent: map[string]*absence{}}
	for _, j := range o.Plan.Jobs {
		e.report.Jobs = append(e.report.Jobs, j.Name)
	}
	e.local()
	open := e.tags(ctx)
	read := readsOf(ctx, open, e.Platform)
	e.quota(ctx, read) // before the builder asks for the images, which counts
	if o.Builder == nil {
		e.add(check.Finding{Severity: check.Fault, Kind: check.Builder, Text: o.Unreached.Error()})
		e.unknown(check.Image, "whether the base images are there, what is in the Dockerfiles, and whether the images fit: no builder was reached")
	}
	var group errgroup.Group
	group.Go(func() error {
		e.pushes(ctx, open)
		return nil
	})
	if o.Builder != nil {
		group.Go(func() error {
			e.build(ctx, open, read)
			return nil
		})
	}
	_ = group.Wait()
	for _, f := range copies(ctx, open, e.Platform) { // last: else nothing more is asked about these jobs
		e.add(f)
	}
	e.tellAbsent(ctx)
	return &e.report
}

// build asks what concerns the builder.
func (e *examination) build(ctx context.Context, open []*plan.Job, read reads) {
	if err := e.Builder.CanLoad(ctx, open); err != nil {
		e.add(check.Finding{Severity: check.Fault, Kind: check.Output, Text: err.Error()})
	}
	e.images(ctx, read)
	var group errgroup.Group
	group.Go(func() error {
		e.forecast(ctx, open)
		return nil
	})
	group.Go(func() error {
		e.lint(ctx, open)
		return nil
	})
	_ = group.Wait()
	for _, f := range e.unchecked {
		if !slices.ContainsFunc(f.Jobs, e.isFaulty) { // else it is told what is wrong
			e.add(f)
		}
	}
}

// add notes what was found; jobs that have faults are faulty.
func (e *examination) add(f check.Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report.Add(f)
	if f.Severity == check.Fault {
		for _, name := range f.Jobs {
			e.faulty[name] = true
		}
	}
}

// isAskable tells that there may be more to be found out about a job.
func (e *examination) isAskable(job string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.faulty[job] && !e.untold[job]
}

func (e *examination) isFaulty(job string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.faulty[job]
}

// unknown notes what could not be found out, of some jobs or of the run.
func (e *examination) unknown(kind check.Kind, text string, jobs ...string) {
	e.add(check.Finding{Severity: check.Unknown, Kind: kind, Text: text, Jobs: jobs})
}

// within bounds how long something is waited for.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
}
