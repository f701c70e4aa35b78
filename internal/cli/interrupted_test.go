package cli

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// stopped is a run of the real program, one of whose daemons is stopped in its tracks.
type stopped struct {
	command    func(more ...string) *exec.Cmd
	stop, goOn func() error
}

func (w *workbench) onPrivate() stopped {
	return stopped{w.private, func() error { return signalDaemonBelow(w.path("state"), syscall.SIGSTOP) }, func() error { return nil }}
}

func (w *workbench) onRemote() stopped { return stopped{w.command, w.daemon.Pause, w.daemon.Resume} }

func (w *workbench) onOneOfTwo() stopped {
	second := labtest.Buildkitd(w.t, w.registry)
	return stopped{func(more ...string) *exec.Cmd {
		return w.command(append(more, "--builder", second.Addr())...)
	}, w.daemon.Pause, w.daemon.Resume}
}

// However much a daemon stands still, an interrupted run ends, with all on record and
// nothing of its own left, and the next goes on with it. A second interrupt ends it without
// asking anybody.
func TestInterruptedWhileADaemonStandsStill(t *testing.T) {
	t.Parallel()
	const builds, ended = `"step_started"`, `"job_finished"`
	for name, tt := range map[string]struct {
		on     func(*workbench) stopped
		event  string // the daemon stops at its nth time
		nth    int
		second bool
	}{
		"a private one, that builds, twice": {(*workbench).onPrivate, builds, 6, true},
		"a private one, at the end":         {(*workbench).onPrivate, ended, 4, false},
		"another, that builds":              {(*workbench).onRemote, builds, 6, false},
		"one of two, between jobs":          {(*workbench).onOneOfTwo, ended, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			w := newWorkbench(t, small(1, 4))
			w.write("ctx/Dockerfile", agentDockerfile+"RUN sleep 1\n")
			on := tt.on(w)
			cmd := on.command("--workers", "2", "--prune", "completed")
			wait := start(t, cmd)
			err := errors.Join(w.until(tt.event, ledger.EventsFile, tt.event, tt.nth), on.stop(), cmd.Process.Signal(os.Interrupt))
			if tt.second {
				err = errors.Join(err, w.untilEvent("stopping"))
				time.Sleep(400 * time.Millisecond) // what follows at once is the same signal
				err = errors.Join(err, cmd.Process.Signal(os.Interrupt))
			}
			code, out := wait()
			if err != nil || code != ExitInterrupted {
				t.Fatalf("exit code %d, %v\n%s", code, err, out)
			}
			if exists(w.path("out/summary.json")) == tt.second {
				t.Errorf("ended at once %t, there is a summary %t", tt.second, !tt.second)
			}
			if !tt.second {
				if s := w.summary(); !s.Interrupted || s.Failed > 0 || s.Built+s.Unfinished != 4 || s.Built != len(w.entriesOnDisk()) {
					t.Errorf("summary %+v\n%s", s, out)
				}
			}
			w.checkDaemonEnds()
			w.checkNoTraces()
			if err := on.goOn(); err != nil {
				t.Fatal(err)
			}
			code, out = start(t, on.command("--resume"))()
			if s := w.summary(); code != ExitOK || s.Built+s.Skipped != 4 {
				t.Errorf("resumed: exit code %d, summary %+v\n%s", code, s, out)
			}
		})
	}
}

// checkNoTraces makes sure that a private daemon has left no mount, and nobody a socket.
func (w *workbench) checkNoTraces() {
	w.t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(w.path("state")))
	if err != nil {
		w.t.Error(err)
	}
	for _, m := range mounts {
		w.t.Errorf("still mounted: %s", m.Mountpoint)
	}
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil || strings.Contains(string(sockets), w.dir) {
		w.t.Errorf("somebody still listens below %s (%v)", w.dir, err)
	}
}
