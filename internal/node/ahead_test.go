package node_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// aheadStage is a node with jobs on os/a to os/d, of which job 0 runs: it has reserved 250 MB,
// and each other job needs 150 MB more.
type aheadStage struct {
	*node.Node
	t    *testing.T
	d    *nodetest.Daemon
	b    *nodetest.Builder
	line []node.Next // all but the one that runs

	mu     sync.Mutex // guards ended
	ended  []journal.PullFinished
	closed func()
}

func newAheadStage(t *testing.T, disk int64) *aheadStage {
	t.Helper()
	s := &aheadStage{t: t, d: nodetest.New("one", disk)}
	bases := []string{"os/a", "os/b", "os/c", "os/d"}
	s.Node, s.b = open(t, s.d, func(o *node.Options) { o.Space.Rates.Own = 50 * mb }, bases...)
	s.d.Builder = s.b
	told := s.Journal.Subscribe(journal.Everything, func(_ time.Time, e journal.Event) {
		if e, is := e.(journal.PullFinished); is {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ended = append(s.ended, e)
		}
	})
	s.closed = func() { _ = told.Close(time.Minute) }
	for i, base := range bases[1:] {
		g, err := s.b.Graph(nodetest.Job(base, base))
		if err != nil {
			t.Fatal(err)
		}
		s.line = append(s.line, node.Next{Number: i + 1, Name: base, Images: g.Images})
	}
	if short := reserve(t, s.Node, 0); short != nil {
		t.Fatalf("job 0 is short of %+v", short)
	}
	return s
}

// pull pulls for a line, and returns for what it did as the journal tells, which is nothing
// where none was pulled.
func (s *aheadStage) pull(line ...node.Next) string {
	s.t.Helper()
	pulled, err := s.PullAhead(s.t.Context(), line, func() {})
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || !pulled {
		return ""
	}
	return s.ended[len(s.ended)-1].Job
}

// last is how the last pull ended.
func (s *aheadStage) last() journal.PullFinished {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) == 0 {
		s.t.Fatal("no pull has ended")
	}
	return s.ended[len(s.ended)-1]
}

// Layers are pulled in the order of the line while there is room for all that run and come
// before, each once, and are there for the job: it needs that much less.
func TestPullAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAheadStage(t, 700*mb) // 630 may be used: for job 0 and two others
		for _, want := range []string{"os/b", "os/c", "", ""} {
			if got := s.pull(s.line...); got != want {
				t.Errorf("pulled for %q, want %q", got, want)
			}
		}
		if n := s.d.Aheads(); n != 2 {
			t.Errorf("it was asked for %d pulls", n)
		}
		if held := s.Holds(1); held < 199*mb {
			t.Errorf("of what os/b needs %d MB count as there", held/mb)
		}
		if short := reserve(t, s.Node, 1); short != nil {
			t.Errorf("the job that they are for is short of %+v", short)
		}
		s.closed()
	})
}

// A pull gives way to a job that does not fit beside it, and is not for that job: with no
// error, and before the job is let in.
func TestPullGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAheadStage(t, 700*mb)
		s.b.Takes = time.Hour / 8
		done := make(chan struct{})
		go func() {
			defer close(done)
			if pulled, err := s.PullAhead(t.Context(), s.line[:1], func() {}); pulled || err != nil {
				t.Errorf("pulled: %v (%v)", pulled, err)
			}
		}()
		synctest.Wait()
		s.d.Take(170 * mb)
		if short := reserve(t, s.Node, 2); short != nil {
			t.Errorf("a job is short of %+v beside a pull", short)
		}
		if e := s.last(); e.Pulled || e.Error != "" || e.Job != "os/b" {
			t.Errorf("the pull ended so: %+v", e)
		}
		<-done
		s.closed()
	})
}

// What was pulled ahead goes where a job that begins needs the room, also while others run;
// what it needs itself stays.
func TestWhatWasPulledGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAheadStage(t, 850*mb) // 765 may be used
		for _, want := range []string{"os/b", "os/c"} {
			if got := s.pull(s.line...); got != want {
				t.Fatalf("pulled for %q, want %q", got, want)
			}
		}
		s.d.Take(300 * mb) // 300 + 300 there, and job 0 has yet to add 150
		if short := reserve(t, s.Node, 1); short != nil {
			t.Errorf("a job is short of %+v beside what was pulled for another", short)
		}
		if b, c := s.Holds(1), s.Holds(2); b < 199*mb || c > 100*mb {
			t.Errorf("of what os/b needs %d MB are there, and %d of what os/c does", b/mb, c/mb)
		}
		if got := s.pull(s.line[1]); got != "" {
			t.Errorf("what has given way is pulled again for %q", got)
		}
		s.closed()
	})
}

// A pull that fails is told and costs nobody anything; one that is ended ends at once. After a
// full disk nothing is pulled ahead any more.
func TestPullsThatEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAheadStage(t, 5000*mb)
		s.d.Kill(true)
		if pulled, err := s.PullAhead(t.Context(), s.line, func() {}); pulled || err == nil || s.last().Error == "" {
			t.Errorf("from a daemon that is gone: pulled %v (%v), told %+v", pulled, err, s.last())
		}
		if err := s.Recover(t.Context()); err != nil && !errors.Is(err, node.ErrNothingToMend) {
			t.Fatal(err)
		}
		_ = s.d.Recover(t.Context(), 0)
		s.b.Takes = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if pulled, err := s.PullAhead(ctx, s.line[1:], func() {}); pulled || err != nil || time.Since(start) != time.Second {
			t.Errorf("ended after %s: pulled %v (%v)", time.Since(start), pulled, err)
		}
		if _, err := s.FreeAfterFull(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if got := s.pull(s.line[2:]...); got != "" {
			t.Errorf("after a full disk it is pulled for %q", got)
		}
		s.closed()
	})
}

// A daemon that pulls nothing ahead says so.
func TestNoPulls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAheadStage(t, 5000*mb)
		s.d.Builder = nil
		if _, err := s.PullAhead(t.Context(), s.line, func() {}); !node.CannotPull(err) || !errors.Is(err, builder.ErrNoPull) {
			t.Errorf("it says %v", err)
		}
		s.closed()
	})
}
