package examine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/plan"
)

// contextsPatience is how long contexts are looked through for what cannot be sent.
const contextsPatience = 20 * time.Second

const unsentHint = "rename it or let it be read, or leave it out of the build context with a .dockerignore"

const copyHint = "COPY and ADD take paths in the build context, wherever the Dockerfile is"

// copies finds what Dockerfiles copy of contexts on this machine that do not have it, or of
// which it cannot be sent, those too that jobs are built on in the same build. No builder
// tells that before it builds.
func copies(ctx context.Context, jobs []*plan.Job, own ocispecs.Platform) []check.Finding {
	ctx, cancel := within(ctx, contextsPatience)
	defer cancel()
	all, upon := plan.WithLinked(jobs), uponOf(jobs)
	var contexts builder.Contexts
	found := make([][]check.Finding, len(all))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, j := range all {
		group.Go(func() error {
			copies := j.Copies(ctx, own)
			found[i] = append(uncopied(j, copies, upon[j]), unsent(ctx, &contexts, j, copies, upon[j])...)
			return nil
		})
	}
	_ = group.Wait()
	return slices.Concat(found...)
}

// uponOf names the jobs that are built on each, itself or in the same build.
func uponOf(jobs []*plan.Job) map[*plan.Job][]string {
	upon := map[*plan.Job][]string{}
	for _, j := range jobs {
		for _, one := range plan.WithLinked([]*plan.Job{j}) {
			upon[one] = append(upon[one], j.Name)
		}
	}
	return upon
}

// uncopied are the faults of what a Dockerfile copies and its context does not have, for
// the jobs that are built on it.
func uncopied(j *plan.Job, copies []plan.Copy, upon []string) (found []check.Finding) {
	paths := make([]string, len(copies))
	for i, c := range copies {
		paths[i] = c.Path
	}
	lacks := builder.Lacks(j, paths)
	for _, c := range copies {
		text := ""
		switch lacks[c.Path] {
		case builder.NotThere:
			text = "%s is copied, and not in the build context"
		case builder.LeftOut:
			text = "%s is copied, and left out of the build context by its .dockerignore"
		default:
			continue
		}
		found = append(found, check.Finding{Severity: check.Fault, Kind: check.Build, Text: fmt.Sprintf(text, c.Path), Hint: copyHint,
			Jobs: slices.Clone(upon), Places: []check.Place{{File: j.Source.Name(), Line: c.Line}}})
	}
	return found
}

// unsent are the faults of what a Dockerfile copies and no build can send, for the jobs that
// are built on it.
func unsent(ctx context.Context, contexts *builder.Contexts, j *plan.Job, copies []plan.Copy, upon []string) (found []check.Finding) {
	for _, c := range copies {
		if text := contexts.Unsendable(ctx, j, c.Path); text != "" {
			found = append(found, check.Finding{Severity: check.Fault, Kind: check.Build, Text: text, Hint: unsentHint,
				Jobs: slices.Clone(upon), Places: []check.Place{{File: j.Source.Name(), Line: c.Line}}})
		}
	}
	return found
}
