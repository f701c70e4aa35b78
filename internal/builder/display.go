package builder

import (
	"context"
	"io"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
)

// display writes the progress of a build to its log, in BuildKit's plain form.
type display struct {
	shown chan struct{} // closed once all is written

	// mu guards statuses: a late status, from a session that outlives its build,
	// must find it closed rather than send.
	mu       sync.Mutex
	statuses chan *client.SolveStatus
}

func newDisplay(log io.Writer) *display {
	d := &display{shown: make(chan struct{}), statuses: make(chan *client.SolveStatus)}
	// The plain display has no way to fail but a log that cannot be written,
	// which must not stop the build.
	plain, _ := progressui.NewDisplay(log, progressui.PlainMode)
	go func(statuses chan *client.SolveStatus) {
		defer close(d.shown)
		_, _ = plain.UpdateFrom(context.Background(), statuses)
	}(d.statuses)
	return d
}

func (d *display) show(s *client.SolveStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.statuses != nil {
		d.statuses <- s
	}
}

func (d *display) close() {
	d.mu.Lock()
	close(d.statuses)
	d.statuses = nil
	d.mu.Unlock()
	<-d.shown
}
