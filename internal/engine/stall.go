package engine

import (
	"context"
	"fmt"
	"time"
)

// stallError says that an attempt made no progress.
type stallError struct{ limit time.Duration }

func (e *stallError) Error() string {
	return fmt.Sprintf("no progress for --stall-timeout %s", e.limit)
}

// timeoutError says that an attempt took too long.
type timeoutError struct {
	attempt int
	limit   time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("attempt %d took longer than --timeout %s", e.attempt, e.limit)
}

// watchStall cancels the returned context once alive was not called for the
// limit; 0 is no limit. stop must be called.
func watchStall(ctx context.Context, limit time.Duration) (_ context.Context, alive, stop func()) {
	if limit <= 0 {
		return ctx, func() {}, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(&stallError{limit}) })
	return ctx, func() { timer.Reset(limit) }, func() {
		timer.Stop()
		cancel(nil)
	}
}
