package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
)

// hasher tells hashes of what jobs' builds make.
type hasher interface {
	GraphHashes(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, hash string, err error)) error
}

// fillHashes asks the builder for the hashes by which jobs' tags and outputs are called, and
// fills them in. Registries that ask for fewer requests are waited for.
func (o buildOptions) fillHashes(ctx context.Context, p *plan.Plan, b hasher, warnings io.Writer) error {
	jobs := p.Hashed()
	if len(jobs) == 0 {
		return nil
	}
	told, err := o.hashesOf(ctx, jobs, b, warnings)
	if err != nil {
		return err
	}
	if err := p.FillHashes(func(job *plan.Job) (string, error) { return told[job].hash, told[job].err }); err != nil {
		return err
	}
	return errors.Join(o.checkWrites(p), o.input.prepareFiles(p))
}

// told is what a builder tells of a job.
type told struct {
	hash string
	err  error
}

// hashesOf asks for hashes, again and again for those of which a registry that asks for fewer requests did
// not tell, as long as a run would wait for it.
func (o buildOptions) hashesOf(ctx context.Context, jobs []*plan.Job, b hasher, warnings io.Writer) (map[*plan.Job]told, error) {
	all := map[*plan.Job]told{}
	pause, end := o.run.regPause, time.Now().Add(o.run.regWait)
	for {
		type one struct {
			job *plan.Job
			told
		}
		answers := make(chan one, len(jobs))
		if err := b.GraphHashes(ctx, jobs, func(job *plan.Job, hash string, err error) { answers <- one{job, told{hash, err}} }); err != nil {
			return nil, err
		}
		close(answers)
		jobs = nil
		for a := range answers {
			all[a.job] = a.told
			if isThrottled(a.err) {
				jobs = append(jobs, a.job)
			}
		}
		pause = min(pause, time.Until(end))
		if len(jobs) == 0 || pause <= 0 || ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		fmt.Fprintf(warnings, "warning: a registry asks for fewer requests: it is asked again in %s for {{.GraphHash}} of %s\n", pause.Round(time.Second), plural.Of(len(jobs), "job"))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		pause *= 2
	}
}

func isThrottled(err error) bool {
	if err == nil {
		return false
	}
	class, _ := builder.Classify(err)
	return class == builder.Throttled
}
