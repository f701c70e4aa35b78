package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/engine"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/ledger"
)

// during runs do once the manifest has n lines; the returned function yields its
// error.
func (w *workbench) during(n int, do func() error) (wait func() error) {
	done := make(chan error, 1)
	go func() {
		if err := w.waitForEntries(n); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return func() error { return <-done }
}

func (w *workbench) checkAllBuilt(code int, out string, n int) {
	w.t.Helper()
	if s := w.summary(); code != ExitOK || s.Built != n {
		w.t.Errorf("exit code %d, %d of %d built\n%s", code, s.Built, n, out)
	}
}

// A daemon that dies, or hangs, is waited for. That costs no job an attempt.
func TestDaemonIsLost(t *testing.T) {
	faults := map[string]func(w *workbench) error{
		"killed": func(w *workbench) error {
			err := w.daemon.Kill()
			time.Sleep(time.Second)
			return errors.Join(err, w.daemon.Restart(w.t.Context()))
		},
		"stopped for a while": func(w *workbench) error {
			err := w.daemon.Pause()
			time.Sleep(3 * time.Second)
			return errors.Join(err, w.daemon.Resume())
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorkbench(t, small(2, 6))
			// Some build is always under way when the daemon is lost.
			w.write("ctx/Dockerfile", agentDockerfile+"RUN sleep 1\n")
			wait := w.during(3, func() error { return fault(w) })
			code, out := w.build(t.Context(), "--workers", "3", "--retries", "0")
			if err := wait(); err != nil {
				t.Fatal(err)
			}
			w.checkAllBuilt(code, out, 12)
			if lost := events[engine.BuilderLost](w, "builder_lost"); name == "killed" && len(lost) == 0 {
				t.Error("the run never noticed")
			}
		})
	}
}

// A private daemon that dies is started again.
func TestPrivateDaemonIsKilled(t *testing.T) {
	tools, err := lab.FindTools()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkbench(t, small(1, 8))
	w.write("ctx/Dockerfile", agentDockerfile+"RUN sleep 1\n")
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("DOCKER_HOST", "unix:///does/not/exist/docker.sock")
	wait := w.during(2, func() error { return killDaemonBelow(w.path("state")) })
	code, out := run(t.Context(), "build", "--images", w.path("bases.txt"), "--buildkitd", tools.Buildkitd, "--retries", "0", "--workers", "2",
		"-t", w.registry.Host()+"/private/{{.Name}}:1", "--build-arg", "BUILDER_IMAGE="+w.builder.Ref, "--push", "--progress", "plain",
		"--output-dir", w.path("out"), "--state-dir", w.path("state"), w.path("ctx"))
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	w.checkAllBuilt(code, out, 8)
	if lost := events[engine.BuilderLost](w, "builder_lost"); len(lost) == 0 {
		t.Error("the run never noticed")
	}
}

// killDaemonBelow kills the buildkitd whose configuration is below a directory.
func killDaemonBelow(dir string) error {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range found {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), "buildkitd\x00") || !strings.Contains(string(line), dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return fmt.Errorf("no buildkitd runs below %s", dir)
}

// A registry that fails now and then, cuts connections, or asks for fewer
// requests costs attempts, not images.
func TestRegistryFaults(t *testing.T) {
	faults := map[string]lab.Fault{
		"server errors":     {Status: http.StatusInternalServerError, Fraction: 0.05},
		"cut connections":   {Cut: true, Fraction: 0.05},
		"too many requests": {Kind: lab.KindUpload, Status: http.StatusTooManyRequests, RetryAfter: time.Second, Times: 3},
		"a corrupt layer":   {Corrupt: true, Times: 1},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorkbench(t, small(1, 6))
			if fault.Corrupt {
				fault.Digest = w.bases[2].Layers[2].Digest
			}
			remove := w.registry.Inject(fault)
			defer remove()
			code, out := w.build(t.Context(), "--workers", "3", "--retries", "8", "--force")
			w.checkAllBuilt(code, out, 6)
		})
	}
}

func TestStall(t *testing.T) {
	w := newWorkbench(t, small(1, 3))
	w.write("ctx/Dockerfile", agentDockerfile+fmt.Sprintf("RUN if [ -e /testbed/%s.txt ]; then sleep 600; fi\n", w.bases[1].Name))
	code, out := w.build(t.Context(), "--stall-timeout", "2s", "--retries", "1")
	if s := w.summary(); code != ExitFailed || s.Built != 2 || s.Failed != 1 {
		t.Fatalf("exit code %d, summary %+v\n%s", code, s, out)
	}
	for _, e := range w.manifest() {
		if e.Status == ledger.Failed && (e.ErrorClass != "timeout" || e.AttemptCount != 2 || !strings.Contains(*e.Error, "no progress for --stall-timeout 2s")) {
			t.Errorf("entry %+v: %s", e, *e.Error)
		}
	}
}

func TestRunsThatStopEarly(t *testing.T) {
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
		{"hopeless", "COPY --from=" + w.registry.Host() + "/no/such/image:1 /a /b\n", nil, "the first 10 jobs all failed for the same reason"},
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
