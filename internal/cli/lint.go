package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	buildkit "github.com/moby/buildkit/frontend/subrequests/lint"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/lint"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// checkDockerfiles has the builder check the jobs' Dockerfiles, and prints what it found. As
// with docker buildx build --check, findings are a failure.
func checkDockerfiles(ctx context.Context, p *plan.Plan, o buildOptions, streams Streams) (err error) {
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return err
	}
	defer done()
	secrets := o.redactor(p)
	o.builder.credentials.Secret = secrets.Add
	b, err := o.builder.connect(ctx, streams.Err, p.Registries())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	fmt.Fprintf(streams.Err, "checking the Dockerfiles of %s\n", plural.Of(len(p.Jobs), "job"))
	results, errs := make([]buildkit.LintResults, len(p.Jobs)), make([]error, len(p.Jobs))
	var group errgroup.Group
	group.SetLimit(o.run.workers)
	for i, job := range p.Jobs {
		group.Go(func() error {
			if ctx.Err() == nil {
				results[i], errs[i] = b.Check(ctx, job)
			}
			return nil
		})
	}
	_ = group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var found lint.Findings
	for i, job := range p.Jobs {
		if errs[i] != nil {
			found.Fail(job.Name, errs[i])
			continue
		}
		found.Add(job.Name, job.Source.Name(), results[i])
	}
	var text strings.Builder
	if err := found.Print(&text); err != nil {
		return err
	}
	if _, err := fmt.Fprint(streams.Out, visible.Lines(secrets.String(text.String()))); err != nil {
		return &runError{err}
	}
	if found.Any() {
		return &exitError{ExitFailed}
	}
	return nil
}
