package show

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// byHand is a ticker that a test moves.
type byHand struct {
	ticks   chan time.Time
	every   time.Duration
	stopped bool
}

func (h *byHand) ticker(every time.Duration) (<-chan time.Time, func()) {
	h.every = every
	return h.ticks, func() { h.stopped = true }
}

// written hands each write to a test.
type written chan string

func (w written) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

func plainOf(events ...told) (string, error) {
	var out bytes.Buffer
	v, err := New(ModePlain, &out, Options{})
	if err != nil {
		return "", err
	}
	for _, e := range events {
		v.Observe(sec(e.at), e.event)
	}
	err = v.Close()
	return out.String(), err
}

func TestPlainLines(t *testing.T) {
	long := "a-name-that-is-far-too-long-to-make-room-for-it-in-every-other-line"
	got, err := plainOf(
		told{0, runOf(500, 8)},
		told{1, journal.JobStarted{Job: "a"}},
		told{1, journal.AttemptStarted{Job: "a", Attempt: 1}},
		told{2, journal.StepStarted{Job: "a", Step: "[1/2] RUN make"}},
		told{41, built("short", 41)},
		told{42, built("a-longer-name", 12)},
		told{43, skipped("b", "remote_exists")},
		told{44, journal.AttemptFailed{Job: "c", Attempt: 1, Error: "failed to solve: exit code: 1", Retry: true, Delay: 5}},
		told{45, journal.AttemptFailed{Job: "c", Attempt: 2, Error: "exit code: 1"}},
		told{46, failed("c", "exit code: 1", 2)},
		told{47, journal.BatchFinished{Batch: 1, Built: 2, Skipped: 1, Failed: 1}},
		told{48, journal.Warning{Message: "disk is 91% full"}},
		told{49, unknownEvent{}},
		told{50, built("evil\r\x1b[2J 0:00:00 [500/500] done", 1)},
		told{51, built(long, 1)},
		told{3700, journal.Stopping{Reason: "interrupted"}},
		told{3701, journal.RunFinished{Summary: ledger.Summary{Total: 500, Built: 4, Skipped: 1, Failed: 1, Unfinished: 494, WallClockSeconds: 3701}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := ` 0:00:00 [  0/500] run       500 images in 2 batches, 8 workers on node-a; results in stoker-out
 0:00:41 [  1/500] built     short  sha256:0123456789ab  41s
 0:00:42 [  2/500] built     a-longer-name  sha256:0123456789ab  12s
 0:00:43 [  3/500] skipped   b              its tag exists already
 0:00:44 [  3/500] retry     c              attempt 1 failed: exit code: 1; next in 5s
 0:00:46 [  4/500] failed    c              exit code: 1 (1m15s, 2 attempts, logs/c.log)
 0:00:47 [  4/500] batch     1 of 2: 2 built, 1 skipped, 1 failed
 0:00:48 [  4/500] warning   disk is 91% full
 0:00:50 [  5/500] built     evil  0:00:00 [500/500] done  sha256:0123456789ab  1.0s
 0:00:51 [  6/500] built     ` + long + `  sha256:0123456789ab  1.0s
 1:01:40 [  6/500] stopping  interrupted
 1:01:41 [  6/500] finished  4 built, 1 skipped, 1 failed

stopped: 4 of 500 images built in 1h02m, 1 skipped, 1 failed, 494 not finished
  0.0 images/h, median build 0.0s, longest 0.0s
results in stoker-out
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Nobody is sent to an output directory that was taken away.
func TestOutputDirectoryThatIsGone(t *testing.T) {
	s := ledger.Summary{Total: 1, Unfinished: 1}
	for _, gone := range []bool{false, true} {
		events := []told{{0, runOf(1, 1)}, {9, journal.RunFinished{Summary: s, Gone: gone}}}
		got, err := plainOf(events...)
		if err != nil {
			t.Fatal(err)
		}
		var short strings.Builder
		q := newQuiet(&short, Options{Results: io.Discard})
		for _, e := range events {
			q.Observe(sec(e.at), e.event)
		}
		for view, text := range map[string]string{"plain": got, "quiet": short.String()} {
			if strings.Contains(text, "\nresults in stoker-out\n") == gone {
				t.Errorf("%s, gone %t: %s", view, gone, text)
			}
		}
	}
}

func TestPlainWithoutAnEnd(t *testing.T) {
	got, err := plainOf(told{0, runOf(3, 1)}, told{5, built("a", 5)}, told{9, journal.Stopping{Reason: "interrupted"}})
	if err != nil {
		t.Fatal(err)
	}
	want := "\nstopped: 1 of 3 images built in 9.0s, 2 not finished\n  reason: interrupted\nresults in stoker-out\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant at its end\n%s", got, want)
	}
}

func TestPlainWithoutARun(t *testing.T) {
	if got, err := plainOf(); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// How far the builder is asked is told when there is more to tell.
func TestAskingIsToldOnce(t *testing.T) {
	known := func(n int) journal.Surveying { return journal.Surveying{Jobs: 4, Known: n} }
	got, err := plainOf(told{0, runOf(4, 2)}, told{2, known(1)}, told{4, known(3)}, told{6, known(3)}, told{8, known(3)}, told{10, known(4)}, told{12, known(4)})
	if n := strings.Count(got, "asking"); n != 3 || err != nil {
		t.Errorf("told %d times (%v):\n%s", n, err, got)
	}
	var out strings.Builder
	observe := Forecasting(&out)
	for range 3 {
		observe(sec(0), known(4))
	}
	if n := strings.Count(out.String(), "asking"); n != 1 {
		t.Errorf("a forecast tells it %d times:\n%s", n, out.String())
	}
}

// Where no node answers, that is what the run waits for, however far the builder was asked.
func TestHeartbeatWithoutABuilder(t *testing.T) {
	s := stateOf(told{0, runOf(4, 2)}, told{2, journal.Surveying{Jobs: 4, Known: 4}}, told{70, journal.BuilderLost{Error: "it is silent"}})
	if got := s.heartbeat(sec(120)); !strings.HasSuffix(got, "; waiting for the builder") {
		t.Error(got)
	}
	s.Apply(sec(130), journal.Recovered{Mending: journal.MendBuilder})
	if got := s.heartbeat(sec(131)); strings.Contains(got, "waiting") {
		t.Error(got)
	}
}

func TestHeartbeat(t *testing.T) {
	hand := &byHand{ticks: make(chan time.Time)}
	out := make(written, 100)
	v, err := New(ModePlain, out, Options{Ticker: hand.ticker})
	if err != nil {
		t.Fatal(err)
	}
	if hand.every != time.Minute {
		t.Errorf("a heartbeat every %v", hand.every)
	}
	v.Observe(sec(0), runOf(20, 1))
	<-out

	hand.ticks <- sec(5)
	want := " 0:00:05 [ 0/20] running   0 built, 0 skipped, 0 failed; nothing is running\n"
	if got := <-out; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}

	v.Observe(sec(6), journal.AttemptStarted{Job: "a", Attempt: 1})
	v.Observe(sec(36), built("a", 30))
	<-out
	for i := range 10 {
		v.Observe(sec(30+float64(i)), journal.JobStarted{Job: fmt.Sprint("job-", i)})
	}
	hand.ticks <- sec(96)
	want = " 0:01:36 [ 1/20] running   1 built, 0 skipped, 0 failed; 40 images/h; about 28m30s left; 10 running: " +
		"job-0 1m06s, job-1 1m05s, job-2 1m04s, job-3 1m03s, job-4 1m02s, job-5 1m01s, job-6 1m00s, job-7 59s, and 2 more\n"
	if got := <-out; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}

	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if !hand.stopped {
		t.Error("Close leaves the ticker running")
	}
}

func TestHeartbeatOnlyWhileRunning(t *testing.T) {
	tests := []struct {
		name   string
		events []told
	}{
		{"before", nil},
		{"after", []told{{0, runOf(20, 1)}, {5, journal.RunFinished{}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hand := &byHand{ticks: make(chan time.Time)}
			var out bytes.Buffer
			v, err := New(ModePlain, &out, Options{Ticker: hand.ticker})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range test.events {
				v.Observe(sec(e.at), e.event)
			}
			hand.ticks <- sec(60)
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "] running ") {
				t.Errorf("got\n%s", out.String())
			}
		})
	}
}
