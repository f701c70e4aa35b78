package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/run"
)

func TestManyImages(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(3, 5))
	code, out := w.build(t.Context(), "--workers", "4", "--batch-size", "6")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	entries := w.manifest()
	if len(entries) != 15 {
		t.Fatalf("%d manifest lines, want 15", len(entries))
	}
	byBase := map[string]lab.Base{}
	for _, b := range w.bases {
		byBase[b.Ref] = b
	}
	for _, e := range entries {
		if e.Status != ledger.Built || !strings.HasPrefix(e.Digest, "sha256:") || e.StepCount == 0 || e.PushSeconds <= 0 || e.Error != nil {
			t.Errorf("entry %+v", e)
		}
		if p := e.Phases; p == nil || math.Abs(p.Seconds()-e.DurationSeconds) > e.DurationSeconds/20+0.005 || p.Push <= 0 {
			t.Errorf("%s took %v s, of phases %+v", e.Name, e.DurationSeconds, p)
		}
		if _, err := os.Stat(*e.LogPath); err != nil {
			t.Error(err)
		}
		w.checkImage(e, byBase[e.BaseImage])
	}

	code, out = w.build(t.Context())
	if code != ExitOK {
		t.Fatalf("second run: exit code %d\n%s", code, out)
	}
	for _, e := range w.manifest() {
		if e.Status != ledger.Skipped || e.AttemptCount != 0 || e.Digest == "" {
			t.Errorf("second run: entry %+v", e)
		}
	}
	if s := w.summary(); s.Skipped != 15 || s.Built != 0 {
		t.Errorf("second run: summary %+v", s)
	}

	code, out = w.build(t.Context(), "--force", "--limit", "3")
	if s := w.summary(); code != ExitOK || s.Built != 3 {
		t.Errorf("forced run: exit code %d, %d built\n%s", code, s.Built, out)
	}
}

func TestFailuresAreIsolated(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 3))
	bad := w.bases[1].Name
	w.write("ctx/Dockerfile", strings.Replace(agentDockerfile, "RUN ",
		fmt.Sprintf("RUN if [ -e /testbed/%s.txt ]; then echo the reason is here; exit 3; fi\nRUN ", bad), 1))
	missing := w.registry.Host() + "/swebench/does-not-exist:latest"
	list, err := os.ReadFile(w.path("bases.txt"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("bases.txt", missing+"\n"+string(list))
	// The post-build command fails the first time that it sees one image, does nothing
	// more the first time that it sees another, and leaves a child behind for a third.
	flaky, stalling, leaving := w.bases[2].Name, w.bases[3].Name, w.bases[4].Name
	hook := fmt.Sprintf(`case $STOKER_IMAGE_NAME in
%s) [ -e %[2]s ] || { touch %[2]s; echo flaked; exit 7; } ;;
%[3]s) [ -e %[4]s ] || { touch %[4]s; sleep 1000; } ;;
%[5]s) sleep 4 & ;;
esac`, flaky, w.path("flaked"), stalling, w.path("stalled"), leaving)

	code, out := w.build(t.Context(), "--retries", "1", "--stall-timeout", "12s", "--post-build", hook,
		"--batch-size", "3", "--prune", "completed")
	if code != ExitFailed {
		t.Fatalf("exit code %d, want %d\n%s", code, ExitFailed, out)
	}
	got := map[string]ledger.Entry{}
	for _, e := range w.manifest() {
		got[e.Name] = e
	}
	if len(got) != 7 {
		t.Fatalf("%d entries, want 7", len(got))
	}
	for name, e := range got {
		want, attempts := ledger.Built, 1
		switch name {
		case bad:
			want, attempts = ledger.Failed, 2
		case "does-not-exist":
			want, attempts = ledger.Failed, 0 // found before the first attempt
		case flaky, stalling:
			attempts = 2
		}
		if e.Status != want || e.AttemptCount != attempts {
			t.Errorf("%s: %s after %d attempts, want %s after %d", name, e.Status, e.AttemptCount, want, attempts)
		}
	}
	s := w.summary()
	if s.Built != 5 || s.Failed != 2 || s.Retried != 3 || len(s.FailedBuilds) != 2 {
		t.Errorf("summary %+v", s)
	}
	if log := w.read("out/logs/" + stalling + "/attempt-1.log"); !strings.Contains(log, "--post-build command ended: no progress for --stall-timeout 12s") {
		t.Errorf("the log of what stalled:\n%s", log)
	}
	for _, f := range s.FailedBuilds {
		tail := strings.Join(f.LogTail, "\n")
		switch f.Name {
		case bad:
			if !strings.Contains(tail, "the reason is here") || !strings.Contains(f.Error, "exit code: 3") {
				t.Errorf("%s: error %q, log tail %q", f.Name, f.Error, tail)
			}
		case "does-not-exist":
			if !strings.Contains(f.Error, "an image does not exist") || !strings.Contains(f.Error, missing) {
				t.Errorf("%s: error %q", f.Name, f.Error)
			}
		}
	}
	if log, err := os.ReadFile(w.path("out/logs/" + flaky + "/attempt-1.log")); err != nil || !strings.Contains(string(log), "flaked") {
		t.Errorf("the first attempt's log: %v %s", err, log)
	}
	var refs map[string]ledger.Ref
	w.readJSON("out/refs.json", &refs)
	for name, e := range got {
		want := ""
		if e.Status == ledger.Built {
			want = strings.TrimSuffix(e.Tags[0], ":1") + "@" + e.Digest
		}
		if refs[name].Image != want {
			t.Errorf("%s can be pulled as %q, want %q", name, refs[name].Image, want)
		}
	}
	if code, out := runStoker(t.Context(), "report", w.path("out")); code != ExitFailed || !strings.HasPrefix(out, "7 jobs: 5 built, 0 skipped, 2 failed\n") {
		t.Errorf("the report: exit code %d\n%s", code, out)
	}
}

// The second interrupt is the process's own to handle; this is the first.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 4))
	w.write("ctx/Dockerfile", strings.Replace(agentDockerfile, "RUN ", "RUN touch /started; sleep 120\nRUN ", 1))
	ctx, cancel := context.WithCancelCause(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		logs := w.path("out/logs")
		for t.Context().Err() == nil {
			found, _ := filepath.Glob(logs + "/*/attempt-1.log")
			for _, path := range found {
				if text, _ := os.ReadFile(path); strings.Contains(string(text), "sleep 120") {
					cancel(run.ErrInterrupted)
					return
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	code, out := w.build(ctx, "--workers", "2")
	<-watched
	if code != ExitInterrupted {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	s := w.summary()
	if !s.Interrupted || s.Unfinished != 4 || s.Failed != 0 {
		t.Errorf("summary %+v", s)
	}
	if data, err := os.ReadFile(w.path("out/manifest.jsonl")); err != nil || len(data) != 0 {
		t.Errorf("jobs that were cut short are in the manifest: %s %v", data, err)
	}
}

func TestFailFastAndTimeout(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 5))
	w.write("ctx/Dockerfile", strings.Replace(agentDockerfile, "RUN ", "RUN sleep 120\nRUN ", 1))
	code, out := w.build(t.Context(), "--workers", "1", "--fail-fast", "--timeout", "2s", "--retries", "0")
	s := w.summary()
	if code != ExitFailed || s.Failed != 1 || s.Unfinished != 4 || !strings.Contains(s.StopReason, "--fail-fast") {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, out)
	}
	if e := w.manifest()[0]; !strings.Contains(*e.Error, "longer than --timeout 2s") {
		t.Errorf("error %q", *e.Error)
	}
}

func TestRegistryThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	if code, out := w.build(t.Context()); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	// The first question about the first image fails for good, the first about
	// the second only once.
	w.registry.Inject(lab.Fault{Kind: lab.KindManifest, Method: http.MethodHead, Repo: "agent/" + w.bases[0].Name, Times: 3, Status: http.StatusServiceUnavailable})
	w.registry.Inject(lab.Fault{Kind: lab.KindManifest, Method: http.MethodHead, Repo: "agent/" + w.bases[1].Name, Times: 1, Status: http.StatusServiceUnavailable})
	code, out := w.build(t.Context())
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, e := range w.manifest() {
		want := map[string]ledger.Status{w.bases[0].Name: ledger.Built, w.bases[1].Name: ledger.Skipped}[e.Name]
		if e.Status != want || e.SkipReason == nil {
			t.Errorf("%s is %s (%v), want %s", e.Name, e.Status, e.SkipReason, want)
		}
		if want == ledger.Built && !strings.Contains(*e.SkipReason, "did not say") {
			t.Errorf("%s: the record does not say why it was built: %q", e.Name, *e.SkipReason)
		}
	}
}

func TestPrivateBuilder(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	private := func(more ...string) (int, string) {
		return start(t, w.private(append([]string{"--prune", "off", "--prune-threshold", "100"}, more...)...))()
	}
	if code, out := private(); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if log, err := os.ReadFile(w.path("state/buildkit/buildkitd.log")); err != nil || len(log) == 0 {
		t.Errorf("the daemon's log: %v", err)
	}
	if _, err := os.Stat(w.path("state/buildkit/buildkitd.sock")); !os.IsNotExist(err) {
		t.Errorf("the daemon's socket is still there: %v", err)
	}
	// The cache is kept: every step of the second run is a cache hit.
	if code, out := private("--force"); code != ExitOK {
		t.Fatalf("second run: exit code %d\n%s", code, out)
	}
	for _, e := range w.manifest() {
		if e.CachedStepCount == 0 {
			t.Errorf("%s: no step of %d was cached", e.Name, e.StepCount)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), w.path("state")) {
		t.Errorf("something below the state directory is still mounted (%v)", err)
	}
}

// Whoever reads the manifest of a failed or skipped job must find nulls where
// there is nothing, as in other batch builders' manifests.
func TestManifestFields(t *testing.T) {
	w := newWorkbench(t, small(1, 1))
	t.Setenv("GITHUB_STEP_SUMMARY", w.write("step.md", "before\n"))
	if code, out := w.build(t.Context()); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if page, err := os.ReadFile(w.path("step.md")); err != nil || !strings.HasPrefix(string(page), "before\n## Stoker: 1 of 1 images") {
		t.Errorf("the job's page (%v):\n%s", err, page)
	}
	data, err := os.ReadFile(w.path("out/manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(data, &line); err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields("time name base_image tags digest descriptor pushed status skip_reason error log_path batch node" +
		" attempt_count started_at finished_at duration_seconds remote_check_seconds build_seconds post_build_seconds" +
		" context_seconds cache_import_seconds export_seconds push_seconds cached_step_count step_count phases") {
		if _, there := line[field]; !there {
			t.Errorf("field %s is missing", field)
		}
		delete(line, field)
	}
	if len(line) > 0 { // error_class is there for failures alone
		t.Errorf("unexpected fields %v", line)
	}
}
