package builder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// How long a builder that was lost is waited for.
const recoverTimeout = 10 * time.Minute

// Recover returns when every node answers again. A private daemon that has
// ended is started anew, on the same cache; one that hangs is ended first. It
// must not be called concurrently.
func (b *Builder) Recover(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recoverTimeout, fmt.Errorf("it did not answer for %s", recoverTimeout))
	defer cancel()
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, 10*time.Second
	try := func() (struct{}, error) {
		var errs []error
		for _, n := range b.Nodes() {
			errs = append(errs, n.Answers(ctx))
		}
		err := errors.Join(errs...)
		if err != nil && b.private != nil {
			err = b.private.restart(ctx)
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, try, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(recoverTimeout))
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
