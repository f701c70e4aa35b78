package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
)

// told is an observer that notes what it was told, as text.
type told struct {
	mu   sync.Mutex
	list []string
}

func (o *told) observe(_ time.Time, e journal.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := e.Kind()
	switch e := e.(type) {
	case journal.StepStarted:
		text = "step " + e.Step
	case journal.JobStarted:
		text = "job " + e.Job
	case journal.Lost:
		text = fmt.Sprintf("lost %d", e.Events)
	}
	o.list = append(o.list, text)
}

func (o *told) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.list)
}

func TestEachIsToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journal.New()
		var one, other told
		a, b := j.Subscribe(journal.Everything, one.observe), j.Subscribe(4, other.observe)
		var want []string
		for i := range 3 {
			j.Tell(journal.JobStarted{Job: fmt.Sprint(i)})
			want = append(want, fmt.Sprintf("job %d", i))
		}
		for _, s := range []*journal.Subscription{a, b} {
			if err := s.Close(time.Second); err != nil {
				t.Error(err)
			}
		}
		j.Tell(journal.Stopping{}) // nobody listens any more
		for name, o := range map[string]*told{"one": &one, "other": &other} {
			if got := o.all(); !slices.Equal(got, want) {
				t.Errorf("%s was told %q, want %q", name, got, want)
			}
		}
	})
}

// Who tells an event never waits, and the other observers are told all.
func TestAnObserverThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journal.New()
		var slow, other told
		stalled := make(chan struct{})
		s := j.Subscribe(3, func(at time.Time, e journal.Event) {
			<-stalled
			slow.observe(at, e)
		})
		o := j.Subscribe(journal.Everything, other.observe)
		j.Tell(journal.JobStarted{Job: "a"})
		synctest.Wait() // it is told of a, and stalls
		j.Tell(journal.StepStarted{Step: "1"})
		j.Tell(journal.JobStarted{Job: "b"})
		j.Tell(journal.StepStarted{Step: "2"})
		j.Tell(journal.StepStarted{Step: "3"}) // dropped: it tells how far something is
		j.Tell(journal.JobStarted{Job: "c"})   // in the place of step 1
		j.Tell(journal.JobStarted{Job: "d"})   // in the place of step 2
		j.Tell(journal.RunFinished{})          // in the place of b, the oldest
		if err := o.Close(time.Second); err != nil || len(other.all()) != 8 {
			t.Errorf("the other was told %q (%v)", other.all(), err)
		}
		start := time.Now()
		var stall *journal.StalledError
		if err := s.Flush(time.Minute); !errors.As(err, &stall) || stall.Untold != 4 || time.Since(start) != time.Minute {
			t.Errorf("flushing returns %v after %s", err, time.Since(start))
		}
		close(stalled)
		if err := s.Close(time.Minute); err != nil {
			t.Error(err)
		}
		if got, want := slow.all(), []string{"job a", "lost 4", "job c", "job d", "run_finished"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// An observer that is slow is waited for as long as it takes something.
func TestASlowObserverIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journal.New()
		var slow told
		s := j.Subscribe(journal.Everything, func(at time.Time, e journal.Event) {
			time.Sleep(50 * time.Second)
			slow.observe(at, e)
		})
		for range 10 {
			j.Tell(journal.BatchFinished{})
		}
		if err := s.Close(time.Minute); err != nil || len(slow.all()) != 10 {
			t.Errorf("told %d events (%v)", len(slow.all()), err)
		}
	})
}

// One that stalls for good is left, and nothing more is told.
func TestAnObserverThatStallsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journal.New()
		var slow told
		stalled := make(chan struct{})
		s := j.Subscribe(journal.Everything, func(at time.Time, e journal.Event) {
			<-stalled
			slow.observe(at, e)
		})
		for range 5 {
			j.Tell(journal.BatchFinished{})
		}
		if err := s.Close(time.Second); err == nil {
			t.Error("nobody says that it stalled")
		}
		close(stalled)
		synctest.Wait()
		if got := slow.all(); len(got) != 1 {
			t.Errorf("told %q after it was left", got)
		}
	})
}
