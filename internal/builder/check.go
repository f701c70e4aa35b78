package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docker/buildx/build"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/lint"

	"github.com/stoker-build/stoker/internal/call"
	"github.com/stoker-build/stoker/internal/plan"
)

// How long one question about a job may take: a frontend's image may have to be pulled.
const callTimeout = 2 * time.Minute

// errAnswered ends a build that was only asked about.
var errAnswered = errors.New("the frontend has answered")

// Check has the job's own frontend say what is wrong or doubtful about its
// Dockerfile, as docker buildx build --check does.
func (b *Builder) Check(ctx context.Context, job *plan.Job) (lint.LintResults, error) {
	answer, err := b.Call(ctx, job, call.Lint)
	if err != nil {
		return lint.LintResults{}, err
	}
	return answer.Warnings()
}

// Call asks the job's own frontend a question about its Dockerfile, as docker buildx build
// --call does. Nothing is built, nor is what the job is built on: its frontends only say
// what that is.
func (b *Builder) Call(ctx context.Context, job *plan.Job, question string) (answer call.Answer, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("the builder did not answer within %s", callTimeout))
	defer cancel()
	asking, answered := context.WithCancelCause(ctx)
	defer answered(nil)
	progress := newProgress(io.Discard, Watch{}.whole())
	defer progress.close()
	options := map[string]build.Options{}
	for name, part := range partsOf(b, job, false) {
		progress.shifts[name] = &shift{}
		o := part.options
		if name == target {
			o.CallFunc = &build.CallFunc{Name: question}
			o.Exports, o.CacheFrom, o.CacheTo = nil, nil, nil
		}
		options[name] = o
	}
	var once sync.Once // each of several nodes answers for its platforms
	_, err = build.Build(asking, b.bxNodes(), options, b.docker(), b.config, progress, &build.Handler{
		Evaluate: func(_ context.Context, name string, _ gateway.Client, res *gateway.Result, _ build.Options) error {
			if name != target {
				return nil
			}
			once.Do(func() {
				answer = res.Metadata
				answered(errAnswered) // before the others go on: their steps would be done
			})
			return errAnswered
		}})
	switch {
	case answer != nil:
		return answer, nil
	case err != nil && context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case err == nil:
		err = errors.New("the frontend did not answer")
	}
	return nil, err
}
