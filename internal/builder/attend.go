package builder

import (
	"context"
	"fmt"
	"time"

	"github.com/stoker-build/stoker/internal/every"
)

// How often a daemon is asked whether it answers while it is waited for, and how many
// times in a row it may not: one that stands still holds nobody up for longer than a
// minute, and a machine that is only busy answers in between.
const (
	attendEvery = 15 * time.Second
	attendMiss  = 4
)

// SilentError says that a daemon has stopped to answer while it was waited for.
type SilentError struct{ times int }

func (e *SilentError) Error() string {
	return fmt.Sprintf("the builder did not answer %d times in a row", e.times)
}

// Attend returns a context that ends with a *SilentError as its cause when answers was
// false some times in a row, until stop is called. A daemon may stand still with its
// connections open, so that nobody is told. answers must take bounded time.
func Attend(ctx context.Context, answers func(context.Context) bool) (attended context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	missed := 0
	end := every.Interval(attendEvery, func() {
		if answers(ctx) {
			missed = 0
			return
		}
		if missed++; missed == attendMiss {
			cancel(&SilentError{attendMiss})
		}
	})
	return ctx, func() {
		cancel(nil)
		end()
	}
}

// firstThatAnswers is the node that is asked what builds do; where none does, the last.
func firstThatAnswers(ctx context.Context, nodes []*Node) *Node {
	for _, n := range nodes[:len(nodes)-1] {
		if n.Answers(ctx) == nil {
			return n
		}
	}
	return nodes[len(nodes)-1]
}
