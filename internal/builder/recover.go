package builder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stoker-build/stoker/internal/buildkitd"
)

const (
	// How long a builder that was lost is waited for.
	recoverTimeout = 10 * time.Minute
	// How often a private daemon is started again that ends at once: its cache
	// may be broken beyond use.
	maxStarts = 3
)

// Recover returns when every node answers again. A private daemon that has
// ended is started anew, on the same cache; one that hangs is ended first, but
// not sooner than restartPause after it was started. Nodes of other builders are
// booted, as docker buildx inspect --bootstrap does. It must not be called
// concurrently.
func (b *Builder) Recover(ctx context.Context, restartPause time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recoverTimeout, fmt.Errorf("it did not answer for %s", recoverTimeout))
	defer cancel()
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, 10*time.Second
	failedStarts := 0
	try := func() (struct{}, error) {
		err := b.answer(ctx)
		if err == nil {
			return struct{}{}, nil
		}
		if b.private == nil {
			return struct{}{}, b.boot(ctx)
		}
		if !b.private.HasEnded() && time.Since(b.private.Started()) < restartPause {
			return struct{}{}, err
		}
		err = b.private.Restart(ctx)
		var ended *buildkitd.EndedError
		if errors.As(err, &ended) {
			if failedStarts++; failedStarts == maxStarts {
				err = backoff.Permanent(err)
			}
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, try, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(recoverTimeout))
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// answer returns an error when a node does not answer.
func (b *Builder) answer(ctx context.Context) error {
	var errs []error
	for _, n := range b.Nodes() {
		errs = append(errs, n.Answers(ctx))
	}
	return errors.Join(errs...)
}

// boot starts the nodes that are not running, as far as their kind allows.
func (b *Builder) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	var errs []error
	for _, n := range b.nodes {
		_, err := bootNode(ctx, n)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
