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
// fills them in.
func (o buildOptions) fillHashes(ctx context.Context, p *plan.Plan, b hasher, warnings io.Writer) error {
	jobs := p.Hashed()
	if len(jobs) == 0 {
		return nil
	}
	all, err := o.run.hashesOf(ctx, jobs, b, warnings)
	if err != nil {
		return &runError{err}
	}
	err = p.FillHashes(func(job *plan.Job) (string, error) { return all[job].hash, all[job].err })
	return keepFrom(err, p.Secrets)
}

// checkFilled checks what builds write by its names, which have hashes now.
func (o buildOptions) checkFilled(p *plan.Plan) error {
	return errors.Join(o.checkWrites(p), o.input.prepareFiles(p))
}

// told is what a builder tells of a job.
type told struct {
	hash string
	err  error
}

// hashesOf asks for hashes, and again for those that may be told later: as often as a job is
// tried, and of registries that ask for fewer requests for as long as they are waited for.
func (o runOptions) hashesOf(ctx context.Context, jobs []*plan.Job, b hasher, warnings io.Writer) (map[*plan.Job]told, error) {
	all := map[*plan.Job]told{}
	end := time.Now().Add(o.regWait)
	delay, pause := o.retryDelay, o.regPause
	for try := 0; ; try++ {
		answers, err := askHashes(ctx, jobs, b)
		if err != nil {
			return nil, err
		}
		var again, throttled []*plan.Job
		for j, answer := range answers {
			all[j] = answer
			switch {
			case isOf(answer.err, builder.Throttled):
				throttled = append(throttled, j)
			case answer.err != nil && !isOf(answer.err, builder.Permanent) && try < o.retries:
				again = append(again, j)
			}
		}
		wait := delay
		delay = min(2*delay, retryDelayMax)
		if left := time.Until(end); len(throttled) > 0 && left > 0 {
			again, wait = append(again, throttled...), min(pause, left)
			pause *= 2
			fmt.Fprintf(warnings, "warning: a registry asks for fewer requests: it is asked again in %s for {{.GraphHash}} of %s\n",
				wait.Round(time.Second), plural.Of(len(throttled), "job"))
		}
		if len(again) == 0 {
			return all, nil
		}
		if len(throttled) == 0 {
			fmt.Fprintf(warnings, "warning: {{.GraphHash}} of %s cannot be told yet: the builder is asked again in %s\n",
				plural.Of(len(again), "job"), wait.Round(10*time.Millisecond))
		}
		jobs = again
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// askHashes asks for hashes once.
func askHashes(ctx context.Context, jobs []*plan.Job, b hasher) (map[*plan.Job]told, error) {
	type answer struct {
		job *plan.Job
		told
	}
	answers := make(chan answer, len(jobs))
	if err := b.GraphHashes(ctx, jobs, func(job *plan.Job, hash string, err error) { answers <- answer{job, told{hash, err}} }); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	close(answers)
	all := map[*plan.Job]told{}
	for a := range answers {
		all[a.job] = a.told
	}
	return all, nil
}

func isOf(err error, class builder.Class) bool {
	if err == nil {
		return false
	}
	is, _ := builder.Classify(err)
	return is == class
}
