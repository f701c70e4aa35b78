package examine

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/plan"
)

const copyHint = "COPY and ADD take paths in the build context, wherever the Dockerfile is"

// copies finds what Dockerfiles copy of contexts on this machine that do not have it.
// No builder tells that before it builds.
func (e *examination) copies(ctx context.Context, open []*plan.Job) {
	found := make([][]check.Finding, len(open))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, j := range open {
		group.Go(func() error {
			found[i] = uncopied(j, j.Copies(ctx, e.Platform))
			return nil
		})
	}
	_ = group.Wait()
	for _, all := range found {
		for _, f := range all {
			e.add(f)
		}
	}
}

// uncopied are the faults of what a job copies and its context does not have.
func uncopied(j *plan.Job, copies []plan.Copy) (found []check.Finding) {
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
			Jobs: []string{j.Name}, Places: []check.Place{{File: j.Source.Name(), Line: c.Line}}})
	}
	return found
}
