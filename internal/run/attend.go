package run

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/internal/every"
)

// How often a builder is asked whether it answers while an attempt hears nothing from it,
// and how many times in a row it may not: one that stands still takes a job's time no
// longer than a minute, and a machine that is only busy answers in between.
const (
	attendEvery = 15 * time.Second
	attendMiss  = 4
)

// silentError says that the builder has stopped to answer while an attempt ran.
type silentError struct{ times int }

func (e *silentError) Error() string {
	return fmt.Sprintf("the builder did not answer %d times in a row", e.times)
}

// attended ends a build whose builder does not answer any more: its connection stays open,
// so that nobody is told.
type attended struct{ next attempter }

func (d attended) attempt(ctx context.Context, a *attempt) error {
	silent := &silentError{attendMiss}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var heard atomic.Bool
	alive := a.alive
	a.alive = func() {
		heard.Store(true)
		alive()
	}
	defer func() { a.alive = alive }()
	missed := 0
	stop := every.Interval(attendEvery, func() {
		if heard.Swap(false) || a.ask.answer(ctx) {
			missed = 0
			return
		}
		if missed++; missed == attendMiss {
			cancel(silent)
		}
	})
	defer stop()
	return causedBy(ctx, d.next.attempt(ctx, a), silent)
}
