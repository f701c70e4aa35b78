package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// private is the real program with a private builder and the usual flags.
func (w *workbench) private(more ...string) *exec.Cmd {
	w.t.Helper()
	tools := labtest.Tools(w.t)
	args := append([]string{"build", "--images", w.path("bases.txt"), "--buildkitd", tools.Buildkitd,
		"-t", w.registry.Host() + "/private/{{.Name}}:1", "--build-arg", "BUILDER_IMAGE=" + w.builder.Ref,
		"--push", "--progress", "plain", "--output-dir", w.path("out"), "--state-dir", w.path("state"), "--retry-delay", "10ms",
		"--stall-timeout", "2m"}, more...)
	cmd := exec.Command(labtest.Stoker(w.t), append(args, w.path("ctx"))...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+w.path("no-docker"), "DOCKER_HOST=unix:///does/not/exist/docker.sock")
	return cmd
}

// failuresOf counts the failed attempts and makes sure that all are of a class.
func (w *workbench) failuresOf(class builder.Class) int {
	w.t.Helper()
	failures := events[journal.AttemptFailed](w, "attempt_failed")
	for _, f := range failures {
		if f.Class != string(class) {
			w.t.Errorf("attempt %d at %s failed, class %s: %s", f.Attempt, f.Job, f.Class, f.Error)
		}
	}
	return len(failures)
}

// moveOutput puts the output directory elsewhere.
func (w *workbench) moveOutput(to string) {
	w.t.Helper()
	if err := os.Symlink(to, w.path("out")); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// daemonsBelow returns the processes of the buildkitd whose configuration is
// below a directory.
func daemonsBelow(dir string) ([]int, error) {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range found {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), "buildkitd\x00") || !strings.Contains(string(line), dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		// A child that has not become another program yet looks like the daemon,
		// but is not the first of its process group.
		if group, err := syscall.Getpgid(pid); err == nil && group == pid {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// signalDaemonBelow sends a signal to the buildkitd whose configuration is below
// a directory.
func signalDaemonBelow(dir string, signal syscall.Signal) error {
	pids, err := daemonsBelow(dir)
	if err != nil {
		return err
	}
	if len(pids) != 1 {
		return fmt.Errorf("%d buildkitd run below %s", len(pids), dir)
	}
	return syscall.Kill(pids[0], signal)
}

// A signal that comes twice at once, as timeout of coreutils sends it, ends a run in order.
func TestOneSignalSentTwice(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	begun := w.path("begun")
	cmd := w.private("--workers", "1", "--post-build", "touch "+begun+"; sleep 60")
	wait := start(t, cmd)
	for !exists(begun) {
		time.Sleep(20 * time.Millisecond)
	}
	for range 2 {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := wait(); code != ExitInterrupted || !w.summary().Interrupted || !strings.Contains(out, "go on with") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// However a run with a private daemon is ended at once, the daemon ends too, and
// the next run on the same state directory completes what is left, and leaves
// nothing in the directory for temporary files.
func TestEndedAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(w *workbench, stoker *os.Process) error
		code int
	}{
		{"by a second interrupt", func(w *workbench, stoker *os.Process) error {
			if err := stoker.Signal(os.Interrupt); err != nil {
				return err
			}
			if err := w.untilEvent("stopping"); err != nil {
				return err
			}
			time.Sleep(400 * time.Millisecond) // what follows at once is the same signal
			return stoker.Signal(os.Interrupt)
		}, ExitInterrupted},
		{"by a kill", func(_ *workbench, stoker *os.Process) error { return stoker.Kill() }, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			w := newWorkbench(t, small(1, 3))
			// A post-build command that ignores that it is asked to end holds the
			// end of an interrupted run up for some seconds.
			pids := w.path("hooks")
			hook := fmt.Sprintf("[ -e %[1]s.off ] || { trap '' TERM; sleep 60 & echo $! >> %[1]s; wait; }", pids)
			t.Cleanup(func() { killAll(t, pids) })
			tmp := shortDir(t)
			cmd := w.private("--workers", "2", "--post-build", hook)
			cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
			var code int
			var out string
			wait, ended := start(t, cmd), make(chan struct{})
			go func() {
				defer close(ended)
				code, out = wait()
			}()
			// The command runs in the middle of a job; what it wrote is the first sign.
			for !exists(pids) {
				select {
				case <-ended:
					t.Fatalf("it ended before the command ran: exit code %d\n%s", code, out)
				case <-time.After(20 * time.Millisecond):
				}
			}
			if err := tt.end(w, cmd.Process); err != nil {
				t.Error(err)
			}
			<-ended
			if code != tt.code {
				t.Errorf("exit code %d, want %d\n%s", code, tt.code, out)
			}
			if exists(w.path("out/summary.json")) {
				t.Error("it ended in order, so that nothing was shown")
			}
			w.checkDaemonEnds()

			w.write("hooks.off", "")
			left, err := os.ReadDir(tmp)
			if err != nil || len(left) == 0 {
				t.Errorf("it left nothing to be cleared away (%v)", err)
			}
			cmd = w.private("--resume", "--post-build", hook)
			cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
			code, out = start(t, cmd)()
			if s := w.summary(); code != ExitOK || s.Built+s.Skipped != 3 {
				t.Errorf("resumed: exit code %d, summary %+v\n%s", code, s, out)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("left in the directory for temporary files: %v (%v)", left, err)
			}
		})
	}
}

// shortDir is a directory whose path leaves room for what a socket's path may have; that of
// t.TempDir has the test's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// killAll ends the processes that a file lists.
func killAll(t *testing.T, list string) {
	t.Helper()
	data, err := os.ReadFile(list)
	if err != nil {
		t.Error(err)
	}
	for _, line := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			t.Error(err)
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
}

// checkDaemonEnds makes sure that no private daemon is left after a while.
func (w *workbench) checkDaemonEnds() {
	w.t.Helper()
	var pids []int
	var err error
	for range 200 {
		if pids, err = daemonsBelow(w.path("state")); err != nil || len(pids) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil || len(pids) > 0 {
		w.t.Errorf("the private daemon is still there: %v %v", pids, err)
	}
}

// checkLost makes sure that a lost daemon is on record, that it cost no attempt,
// and that no attempt failed otherwise.
func (w *workbench) checkLost(wanted bool) {
	w.t.Helper()
	lost := events[journal.BuilderLost](w, "builder_lost")
	if (len(lost) > 0) != wanted {
		w.t.Errorf("the run lost the daemon: %+v", lost)
	}
	if n := w.failuresOf(builder.BuilderLost); n > 0 {
		w.t.Errorf("%d attempts were lost with the daemon", n)
	}
	for _, e := range w.manifest() {
		want := ""
		for _, l := range lost {
			if l.Job == e.Name {
				want = string(builder.BuilderLost)
			}
		}
		if e.ErrorClass != want || e.AttemptCount != 1 {
			w.t.Errorf("%s has the class %q after %d attempts, want %q", e.Name, e.ErrorClass, e.AttemptCount, want)
		}
	}
}
