package run

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type attempting func(ctx context.Context) error

func (f attempting) attempt(ctx context.Context, _ *attempt) error { return f(ctx) }

// An attempt that takes too long is ended from here, and is one that timed out whatever the build
// says then. A daemon that knew of the limit might end it first.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limited{limit: time.Minute, next: attempting(func(ctx context.Context) error {
			if at, is := ctx.Deadline(); is {
				t.Errorf("the daemon is told of %s", at)
			}
			<-ctx.Done()
			return errors.New("rpc error: code = Canceled")
		})}
		start := time.Now()
		err := l.attempt(t.Context(), &attempt{number: 2})
		if limit, is := errors.AsType[*timeoutError](err); !is || limit.attempt != 2 || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}
