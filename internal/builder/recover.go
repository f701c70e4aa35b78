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
	// A disk with less room than this is why a daemon ends at once, in bytes: BuildKit writes to
	// its databases as it starts.
	roomToStart = 4 << 20
)

// Recover returns when the node answers again. A private daemon that has ended is
// started anew, on the same cache; one that hangs is ended first, but not sooner than
// restartPause after it was started; while its disk is full, it is tried again and again.
// Other nodes are booted, as docker buildx inspect --bootstrap does. It must not be called concurrently for one node.
func (n *Node) Recover(ctx context.Context, restartPause time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recoverTimeout, fmt.Errorf("it did not answer for %s", recoverTimeout))
	defer cancel()
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, 10*time.Second
	private, failedStarts := n.builder.private, 0
	try := func() (struct{}, error) {
		err := n.Answers(ctx)
		if err == nil {
			return struct{}{}, nil
		}
		if private == nil {
			return struct{}{}, n.boot(ctx)
		}
		if !private.HasEnded() && time.Since(private.Started()) < restartPause {
			return struct{}{}, err
		}
		err = private.Restart(ctx)
		if ended := (*buildkitd.EndedError)(nil); errors.As(err, &ended) && hasRoom(private.Root()) {
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

// End ends a private daemon at once, also one that answers, so that Recover starts it anew. It
// tells whether there was one.
func (n *Node) End() bool {
	private := n.builder.private
	return private != nil && private.Kill() == nil
}

// boot starts the node if it is not running, as far as its kind allows.
func (n *Node) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	_, err := bootNode(ctx, n.node)
	return err
}

// hasRoom tells whether a daemon with this root could write, as far as can be seen.
func hasRoom(root string) bool {
	disk, err := DiskOf(root)
	return err != nil || disk.Free >= roomToStart
}
