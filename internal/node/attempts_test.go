package node

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Who needs a node quiet waits for the attempts that run, for a while, and keeps others
// from beginning; they begin once it is let go.
func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		if a.begin(t.Context()) != nil || !a.busy() {
			t.Fatal("an attempt cannot begin")
		}
		calm := make(chan func())
		go func() { calm <- a.calm(t.Context(), time.Minute) }()
		synctest.Wait()
		begun := make(chan error, 1)
		go func() { begun <- a.begin(t.Context()) }()
		synctest.Wait()
		select {
		case <-calm:
			t.Fatal("it is called calm while an attempt runs")
		case <-begun:
			t.Fatal("an attempt begins while somebody waits for the others")
		default:
		}
		a.end()
		release := <-calm
		synctest.Wait()
		if a.busy() {
			t.Error("an attempt begins while it is to be calm")
		}
		release()
		if err := <-begun; err != nil || !a.busy() {
			t.Errorf("an attempt does not begin after (%v)", err)
		}

		start := time.Now()
		a.calm(t.Context(), time.Minute)() // the attempt does not end
		if time.Since(start) != time.Minute || a.begin(t.Context()) != nil {
			t.Errorf("after %s attempts may not begin", time.Since(start))
		}
	})
}

// Who waits to begin is let go when the run ends.
func TestHeldAttemptsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		defer a.hold()()
		ctx, cancel := context.WithCancelCause(t.Context())
		over := errors.New("over")
		begun := make(chan error)
		go func() { begun <- a.begin(ctx) }()
		synctest.Wait()
		cancel(over)
		if err := <-begun; !errors.Is(err, over) {
			t.Errorf("%v", err)
		}
	})
}
