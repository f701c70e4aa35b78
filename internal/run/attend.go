package run

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stoker-build/stoker/internal/builder"
)

// attended ends a build whose builder does not answer any more, and with it all others
// on that node: each would find out for itself.
type attended struct {
	next attempter

	mu    sync.Mutex // guards cutBy
	cutBy map[*attempt]context.CancelCauseFunc
}

func newAttended(next attempter) *attended {
	return &attended{next: next, cutBy: map[*attempt]context.CancelCauseFunc{}}
}

func (d *attended) attempt(ctx context.Context, a *attempt) error {
	var heard atomic.Bool
	alive := a.alive
	a.alive = func() {
		heard.Store(true)
		alive()
	}
	defer func() { a.alive = alive }()
	ctx, stop := builder.Attend(ctx, func(ctx context.Context) bool { return heard.Swap(false) || a.ask.answer(ctx) })
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.note(a, cancel)
	defer d.forget(a)
	err := d.next.attempt(ctx, a)
	if silent := (*builder.SilentError)(nil); err != nil && errors.As(context.Cause(ctx), &silent) {
		d.cut(a.on, silent)
		return silent
	}
	return err
}

func (d *attended) note(a *attempt, cancel context.CancelCauseFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutBy[a] = cancel
}

func (d *attended) forget(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.cutBy, a)
}

// cut ends the builds on the same nodes.
func (d *attended) cut(on []string, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for a, cancel := range d.cutBy {
		if slices.Equal(a.on, on) {
			cancel(why)
		}
	}
}
