package sweep

import (
	"context"
	"testing"
	"time"
)

// Who waits for the end of a sweep is told of it, also where it ends just as the waiting begins.
func TestAwaitMissesNoEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 200_000 {
		s := &Sweeper{running: true, changed: make(chan struct{}), stopped: make(chan struct{})}
		go func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.running = false
			s.note()
		}()
		if s.await(ctx); ctx.Err() != nil {
			t.Fatal("the sweep has ended, and is still waited for")
		}
	}
}
