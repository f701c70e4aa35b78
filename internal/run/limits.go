package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/every"
)

// timeoutError says that an attempt took too long.
type timeoutError struct {
	attempt int
	limit   time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("attempt %d took longer than --timeout %s", e.attempt, e.limit)
}

// limited bounds how long an attempt may take; 0 does not. The daemon is not told of the limit, as a
// context's deadline would be: it might be the first to end the build, and as a failure of its own.
type limited struct {
	next  attempter
	limit time.Duration
}

func (l limited) attempt(ctx context.Context, a *attempt) error {
	if l.limit <= 0 {
		return l.next.attempt(ctx, a)
	}
	limit := &timeoutError{a.number, l.limit}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(l.limit, func() { cancel(limit) }).Stop()
	return causedBy(ctx, l.next.attempt(ctx, a), limit)
}

// causedBy returns the cause where that is why ctx, and so an attempt, has ended, unless
// the error says so itself.
func causedBy(ctx context.Context, err, cause error) error {
	if err != nil && !errors.Is(err, cause) && errors.Is(context.Cause(ctx), cause) {
		return cause
	}
	return err
}

// stallError says that an attempt made no progress.
type stallError struct{ limit time.Duration }

func (e *stallError) Error() string {
	return fmt.Sprintf("no progress for --stall-timeout %s", e.limit)
}

// watched ends an attempt that makes no progress; a limit of 0 does not.
type watched struct {
	next  attempter
	limit time.Duration
}

func (w watched) attempt(ctx context.Context, a *attempt) error {
	a.alive = func() {}
	if w.limit <= 0 {
		return w.next.attempt(ctx, a)
	}
	stalled := &stallError{w.limit}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &silence{limit: w.limit}
	a.alive = s.broken
	stop := s.listen(func() { cancel(stalled) })
	defer stop()
	return causedBy(ctx, w.next.attempt(ctx, a), stalled)
}

// silence measures how long nothing was heard, while this process ran to hear it: one
// that was stopped meanwhile, as by Ctrl-Z, has missed what there was to hear.
type silence struct {
	limit time.Duration

	mu   sync.Mutex // guards heard and so
	last time.Time  // when it was listened last
	so   time.Duration
}

// How many times a limit is looked at within itself.
const silenceLooks = 20

// broken notes that something was heard.
func (s *silence) broken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.so = 0
}

// at notes the silence until a moment, and tells whether it has lasted too long. Of a gap
// between two looks no more counts than two looks should be apart.
func (s *silence) at(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.so += min(now.Sub(s.last), 2*s.limit/silenceLooks)
	s.last = now
	return s.so >= s.limit
}

// listen calls tooLong when nothing was heard for the limit, and again as long as that
// lasts, until the returned function is called.
func (s *silence) listen(tooLong func()) (stop func()) {
	s.last = time.Now()
	return every.Interval(s.limit/silenceLooks, func() {
		if s.at(time.Now()) {
			tooLong()
		}
	})
}
