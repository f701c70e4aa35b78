package journal

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Observer is told each event, in the order in which they happened, one at a time,
// by a goroutine of its own. The run does not wait for it.
type Observer func(at time.Time, e Event)

// Journal orders the events of a run and tells them to its subscribers. Its
// methods may be called concurrently.
type Journal struct {
	mu   sync.Mutex // guards subs, and is the order of events
	subs []*Subscription
}

// New returns a journal without subscribers.
func New() *Journal { return &Journal{} }

// Everything is a queue that no event is ever dropped from.
const Everything = 0

// Subscribe has an observer told all events from now on. As many as size wait for
// it at most; one that is slower loses events, and is told by Lost how many: first
// those that only say how far something is, and then the oldest. The run's last event
// is always told.
func (j *Journal) Subscribe(size int, observe Observer) *Subscription {
	s := &Subscription{size: size, observe: observe, ended: make(chan struct{}), told: make(chan struct{})}
	s.more.L = &s.mu
	j.mu.Lock()
	j.subs = append(j.subs, s)
	j.mu.Unlock()
	go s.run()
	return s
}

// Tell adds an event. It never waits for an observer.
func (j *Journal) Tell(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	for _, s := range j.subs {
		s.add(now, e)
	}
}

// Subscription is what one observer has yet to be told.
type Subscription struct {
	size    int
	observe Observer
	ended   chan struct{} // closed once the observer will be told nothing more

	mu     sync.Mutex // guards what follows
	more   sync.Cond
	queue  []happened
	lost   int  // events that were dropped since the last that was told
	busy   bool // the observer is being told
	closed bool
	told   chan struct{} // closed and replaced whenever the observer has been told
}

type happened struct {
	at time.Time
	e  Event
}

func (s *Subscription) add(at time.Time, e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.full() && !s.makeRoom(e) {
		return
	}
	s.queue = append(s.queue, happened{at, e})
	s.more.Signal()
}

func (s *Subscription) full() bool { return s.size > 0 && len(s.queue) >= s.size }

// makeRoom drops an event so that another can wait, or tells that the other is the
// one to be dropped. The caller holds mu.
func (s *Subscription) makeRoom(e Event) bool {
	s.lost++
	if tellsHowFar(e) {
		return false
	}
	oldest := slices.IndexFunc(s.queue, func(h happened) bool { return tellsHowFar(h.e) })
	oldest = max(oldest, 0)
	s.queue = slices.Delete(s.queue, oldest, oldest+1)
	return true
}

// tellsHowFar says that an event of the same kind soon makes this one old.
func tellsHowFar(e Event) bool {
	switch e.(type) {
	case StepStarted, Surveying, Sampled:
		return true
	}
	return false
}

func (s *Subscription) run() {
	defer close(s.ended)
	for {
		next, ok := s.take()
		if !ok {
			return
		}
		s.observe(next.at, next.e)
		s.mu.Lock()
		s.busy = false
		close(s.told)
		s.told = make(chan struct{})
		s.mu.Unlock()
	}
}

// take waits for the next event to be told; there is none once the subscription is
// closed and all were.
func (s *Subscription) take() (next happened, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.closed {
		s.more.Wait()
	}
	if len(s.queue) == 0 {
		return happened{}, false
	}
	s.busy = true
	if s.lost > 0 {
		lost := Lost{Events: s.lost}
		s.lost = 0
		return happened{s.queue[0].at, lost}, true
	}
	next = s.queue[0]
	s.queue[0] = happened{}
	s.queue = s.queue[1:]
	return next, true
}

// StalledError says that an observer took nothing for a while.
type StalledError struct {
	Untold int // events that it was not told
	After  time.Duration
}

func (e *StalledError) Error() string {
	return fmt.Sprintf("%d events could not be told: nothing was taken for %s", e.Untold, e.After)
}

// Flush returns when the observer was told all events so far. It fails with a
// *StalledError when none is taken for as long as patience.
func (s *Subscription) Flush(patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		s.mu.Lock()
		left, told := len(s.queue), s.told
		if s.busy {
			left++
		}
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-told:
			timer.Reset(patience)
		case <-timer.C:
			return &StalledError{Untold: left, After: patience}
		}
	}
}

// Close flushes, and has the observer told nothing after. Where that fails, the
// observer may still be at what it was told last.
func (s *Subscription) Close(patience time.Duration) error {
	err := s.Flush(patience)
	s.mu.Lock()
	s.closed = true
	s.more.Signal()
	if err != nil {
		s.queue = nil
	}
	s.mu.Unlock()
	if err == nil {
		<-s.ended
	}
	return err
}
