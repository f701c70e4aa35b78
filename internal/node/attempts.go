package node

import (
	"context"
	"sync"
	"time"
)

// attempts counts the attempts that run on a node. Who needs the node quiet keeps
// others from beginning meanwhile.
type attempts struct {
	quiet func() // is told that they are kept from beginning

	mu      sync.Mutex // guards what follows
	running int
	held    int           // by how many they are kept from beginning
	changed chan struct{} // closed and replaced whenever one of these changes
}

func newAttempts() *attempts { return &attempts{quiet: func() {}, changed: make(chan struct{})} }

func (a *attempts) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	close(a.changed)
	a.changed = make(chan struct{})
}

// begin returns when an attempt may begin. The error is the cause of ctx's end.
func (a *attempts) begin(ctx context.Context) error {
	for {
		a.mu.Lock()
		if ctx.Err() != nil {
			a.mu.Unlock()
			return context.Cause(ctx)
		}
		if a.held == 0 {
			a.running++
			a.mu.Unlock()
			return nil
		}
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (a *attempts) end() { a.set(func() { a.running-- }) }

// busy tells whether any runs.
func (a *attempts) busy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running > 0
}

// isHeld tells whether they are kept from beginning.
func (a *attempts) isHeld() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held > 0
}

// hold keeps attempts from beginning until the returned function is called.
func (a *attempts) hold() (release func()) {
	a.set(func() { a.held++ })
	a.quiet()
	return func() { a.set(func() { a.held-- }) }
}

// calm does the same, once none runs any more, for which it waits a while. Where that
// does not come, they may begin, and release does nothing.
func (a *attempts) calm(ctx context.Context, patience time.Duration) (release func()) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	release = a.hold()
	for {
		a.mu.Lock()
		running, changed := a.running, a.changed
		a.mu.Unlock()
		if running == 0 {
			return release
		}
		select {
		case <-changed:
		case <-ctx.Done():
			release()
			return func() {}
		}
	}
}
