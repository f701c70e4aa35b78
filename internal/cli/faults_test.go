package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

func (w *workbench) checkAllBuilt(code int, out string, n int) {
	w.t.Helper()
	if s := w.summary(); code != ExitOK || s.Built != n {
		w.t.Errorf("exit code %d, %d of %d built\n%s", code, s.Built, n, out)
	}
}

// A daemon that dies is waited for, which costs no job an attempt. One that
// answers nothing for a moment is not even lost.
func TestDaemonIsLost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault func(w *workbench) error
		lost  bool
	}{
		{"killed", func(w *workbench) error {
			err := w.daemon.Kill()
			time.Sleep(time.Second)
			return errors.Join(err, w.daemon.Restart(w.t.Context()))
		}, true},
		{"killed while it made snapshots", func(w *workbench) error {
			err := w.daemon.Kill()
			return errors.Join(err, halfSnapshots(w.daemon.Root(), 3), w.daemon.Restart(w.t.Context()))
		}, true},
		{"stopped for a while", func(w *workbench) error {
			err := w.daemon.Pause()
			time.Sleep(3 * time.Second)
			return errors.Join(err, w.daemon.Resume())
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			w := newWorkbench(t, small(1, 6))
			wait := w.duringStep("RUN sleep 1", 3, func() error { return tt.fault(w) })
			code, out := w.build(t.Context(), "--workers", "2", "--retries", "0")
			if err := wait(); err != nil {
				t.Fatal(err)
			}
			w.checkAllBuilt(code, out, 6)
			w.checkLost(tt.lost)
		})
	}
}

// halfSnapshots leaves n directories of snapshots in a daemon's root that its
// database does not know, those that it would make next.
func halfSnapshots(root string, n int) error {
	dir := filepath.Join(root, "runc-overlayfs", "snapshots", "snapshots")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	next := 1
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			next = max(next, id+1)
		}
	}
	for id := next; id < next+n; id++ {
		if err := os.MkdirAll(filepath.Join(dir, strconv.Itoa(id), "fs"), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// A private daemon that dies or hangs is started again, which costs no job an
// attempt.
func TestPrivateDaemonIsLost(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, small(1, 6))
			wait := w.duringStep("RUN sleep 1", 3, func() error { return signalDaemonBelow(w.path("state"), signal) })
			code, out := start(t, w.private("--workers", "2", "--retries", "0", "--stall-timeout", "12s", "--recover-interval", "1s"))()
			if err := wait(); err != nil {
				t.Fatal(err)
			}
			w.checkAllBuilt(code, out, 6)
			w.checkLost(true)
		})
	}
}

// checkFailures makes sure that attempts at these jobs failed, at each at least
// once and in this way, and at no others.
func (w *workbench) checkFailures(class builder.Class, jobs ...string) []journal.AttemptFailed {
	w.t.Helper()
	failures := events[journal.AttemptFailed](w, "attempt_failed")
	seen := map[string]bool{}
	for _, f := range failures {
		seen[f.Job] = true
		if f.Class != string(class) || !contains(jobs, f.Job) {
			w.t.Errorf("attempt %d at %s failed, class %s: %s", f.Attempt, f.Job, f.Class, f.Error)
		}
	}
	for _, job := range jobs {
		if !seen[job] {
			w.t.Errorf("no attempt at %s failed, so that nothing was shown", job)
		}
	}
	for _, e := range w.manifest() {
		want := ""
		if contains(jobs, e.Name) {
			want = string(class)
		}
		if e.ErrorClass != want {
			w.t.Errorf("%s has the class %q on record, want %q", e.Name, e.ErrorClass, want)
		}
	}
	return failures
}

// checkOneFailed makes sure that one job failed after its attempts, and that all
// others were built.
func (w *workbench) checkOneFailed(code int, out, job string, attempts int) {
	w.t.Helper()
	if code != ExitFailed {
		w.t.Errorf("exit code %d, want %d\n%s", code, ExitFailed, out)
	}
	for _, e := range w.manifest() {
		want := ledger.Built
		if e.Name == job {
			want = ledger.Failed
		}
		if e.Status != want || want == ledger.Failed && e.AttemptCount != attempts {
			w.t.Errorf("%s is %s after %d attempts", e.Name, e.Status, e.AttemptCount)
		}
	}
	if s := w.summary(); s.Built != s.Total-1 {
		w.t.Errorf("%d of %d built\n%s", s.Built, s.Total, out)
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.write("ctx/Dockerfile", agentDockerfile+fmt.Sprintf("RUN if [ -e /testbed/%s.txt ]; then sleep 600; fi\n", w.bases[1].Name))
	code, out := w.build(t.Context(), "--stall-timeout", "8s", "--retries", "1")
	if s := w.summary(); code != ExitFailed || s.Built != 2 || s.Failed != 1 {
		t.Fatalf("exit code %d, summary %+v\n%s", code, s, out)
	}
	for _, e := range w.manifest() {
		if e.Status == ledger.Failed && (e.ErrorClass != "timeout" || e.AttemptCount != 2 || !strings.Contains(*e.Error, "no progress for --stall-timeout 8s")) {
			t.Errorf("entry %+v: %s", e, *e.Error)
		}
	}
}

func TestRunsThatStopEarly(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 10))
	w.write("ctx/Dockerfile", agentDockerfile+"FROM agent-stage-that-is-none AS other\n")
	tests := []struct {
		name string
		last string // of the Dockerfile
		args []string
		says string
	}{
		{"max failures", "RUN exit 1\n", []string{"--max-failures", "2"}, "more than --max-failures allows"},
		{"max failures in percent", "RUN exit 1\n", []string{"--max-failures", "10%"}, "more than --max-failures allows"},
		{"hopeless", "RUN exit 1\n", nil, "no job was built and 10 failed for the same reason"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.write("ctx/Dockerfile", agentDockerfile+tt.last)
			code, out := w.build(t.Context(), append([]string{"--workers", "2", "--retries", "0", "--force", "--fresh"}, tt.args...)...)
			s := w.summary()
			if code != ExitFailed || !strings.Contains(s.StopReason, tt.says) || s.Unfinished == 0 {
				t.Errorf("exit code %d, stop reason %q, %d unfinished\n%s", code, s.StopReason, s.Unfinished, out)
			}
		})
	}
}

// Images that do not exist are found out before the first image is built, and fail no other job.
func TestMissingImagesFailAlone(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	missing := ""
	for i := range 12 {
		missing += fmt.Sprintf("%s/no/such-%02d:1\n", w.registry.Host(), i)
	}
	w.write("bases.txt", missing+w.read("bases.txt"))
	code, out := w.build(t.Context(), "--workers", "1")
	if s := w.summary(); code != ExitFailed || s.Built != 2 || s.Failed != 12 || s.StopReason != "" {
		t.Errorf("exit code %d, %d built, %d failed, stopped for %q\n%s", code, s.Built, s.Failed, s.StopReason, out)
	}
}

// The record is taken away during the run, which ends and says so at its end once.
func TestRecordThatIsTakenAway(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	out := w.path("out")
	code, said := w.build(t.Context(), "--workers", "1", "--post-build", "rm -r "+out)
	end := said[max(strings.Index(said, "\nstopped: "), 0):]
	if code != ExitFailed || !strings.Contains(end, "is no longer the file") || strings.Contains(end, "\nstoker: ") || strings.Contains(end, "results in") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	if code, said := w.build(t.Context(), "--workers", "1", "--fresh", "--force", "--progress", "json", "--post-build", "rm -r "+out); code != ExitFailed ||
		strings.Count(said, "\nstoker: ") != 1 || strings.Count(said[strings.Index(said, "\nstoker: "):], "is no longer the file") != 1 {
		t.Errorf("as JSON: exit code %d\n%s", code, said)
	}
}
