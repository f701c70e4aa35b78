package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
type SilentError struct {
	// Node is the name of the daemon, where it was asked what builds do.
	Node string

	times int
}

func (e *SilentError) Error() string {
	if e.times < 2 {
		return "the builder did not answer"
	}
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
			cancel(&SilentError{times: attendMiss})
		}
	})
	return ctx, func() {
		cancel(nil)
		end()
	}
}

// How soon a daemon must answer to be asked what builds do, where there are others.
const soonAnswer = 2 * time.Second

// Answerer is a node, as far as it matters whether it answers, within a few seconds.
type Answerer interface {
	Name() string
	Answers(ctx context.Context) error
}

// Asked is the one of some nodes that is asked what builds do.
type Asked[N Answerer] struct {
	Node   N
	others []N
	leave  context.CancelCauseFunc
}

// AskOne picks the first of nodes that answers; where none does, the last. The returned
// context ends with a *SilentError as its cause when that does not answer any more, until
// stop is called: as Attend's, but the first time where another answers, which can be asked
// as well.
func AskOne[N Answerer](ctx context.Context, nodes []N) (asked *Asked[N], asking context.Context, stop func()) {
	at := firstThatAnswers(ctx, nodes)
	ctx, leave := context.WithCancelCause(ctx)
	a := &Asked[N]{Node: nodes[at], others: slices.Delete(slices.Clone(nodes), at, at+1), leave: leave}
	ctx, end := Attend(ctx, a.Answers)
	return a, ctx, func() {
		end()
		leave(nil)
	}
}

// Answers tells whether the node does. Where another answers in its place, the asking ends.
func (a *Asked[N]) Answers(ctx context.Context) bool {
	if a.Node.Answers(ctx) == nil {
		return true
	}
	if slices.ContainsFunc(a.others, func(n N) bool { return n.Answers(ctx) == nil }) {
		a.leave(&SilentError{Node: a.Node.Name()})
	}
	return false
}

// Silent returns a *SilentError where a context of AskOne ended since the node does not
// answer; else nil.
func (a *Asked[N]) Silent(asking context.Context) error {
	if silent := (*SilentError)(nil); errors.As(context.Cause(asking), &silent) {
		return &SilentError{Node: a.Node.Name(), times: silent.times}
	}
	return nil
}

// firstThatAnswers is the place of the first node that answers soon; where none does, the
// last.
func firstThatAnswers[N Answerer](ctx context.Context, nodes []N) int {
	last := len(nodes) - 1
	for i, n := range nodes[:last] {
		soon, end := context.WithTimeout(ctx, soonAnswer)
		err := n.Answers(soon)
		end()
		if err == nil {
			return i
		}
	}
	return last
}
