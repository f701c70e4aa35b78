package show

import (
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/stoker-build/stoker/internal/journal"
)

// feed hands events to the live view, which takes them once per frame. While the
// terminal takes nothing, whoever adds more than a frame can have waits.
type feed struct {
	now    func() time.Time
	closed chan struct{}

	mu     sync.Mutex
	events []observed
	taken  chan struct{} // closed and replaced when the view takes the events
}

// frameEvents is how many events a frame can have.
const frameEvents = 1000

type observed struct {
	at    time.Time
	event journal.Event
}

func newFeed(now func() time.Time) *feed {
	return &feed{now: now, closed: make(chan struct{}), taken: make(chan struct{})}
}

func (f *feed) add(at time.Time, e journal.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.events) >= frameEvents && !f.isClosed() {
		taken := f.taken
		f.mu.Unlock()
		select {
		case <-taken:
		case <-f.closed:
		}
		f.mu.Lock()
	}
	if !f.isClosed() {
		f.events = append(f.events, observed{at, e})
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isClosed() {
		close(f.closed)
	}
}

func (f *feed) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

// next waits for the time of the next frame and takes what has happened since
// the one before.
func (f *feed) next() tea.Msg {
	timer := time.NewTimer(frameEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.closed:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	news := newsMsg{now: f.now(), events: f.events, last: f.isClosed()}
	f.events = nil
	close(f.taken)
	f.taken = make(chan struct{})
	return news
}
