package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/every"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// newSmallDisk is a workbench whose daemon has its root on a real disk of its
// own, with images whose steps write bytes each.
func newSmallDisk(t *testing.T, disk int64, shape lab.Shape, own int64) (*workbench, *lab.Disk) {
	t.Helper()
	w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
	d := labtest.Disk(t, disk)
	w.daemon = labtest.BuildkitdWith(t, lab.BuildkitdOptions{Root: d.Path() + "/root"}, w.registry)
	w.fill(shape)
	if _, err := lab.WriteAgent(w.path("ctx"), lab.Agent{OwnCacheBytes: own}); err != nil {
		t.Fatal(err)
	}
	return w, d
}

const mb = 1 << 20

// modest is a shape whose images take about 8 MB of base and 40 MB of own cache
// each beside what they share.
func modest(projects, perProject int) lab.Shape {
	return lab.Shape{Instances: lab.Instances(projects, perProject), OSBytes: 10 * mb, EnvBytes: 16 * mb, OwnBytes: 4 * mb, Seed: 3}
}

const modestOwn = 20 * mb

// What takes 1.2 GB is built on a disk of 400 MB, by eight workers: eight jobs at once do
// not fit.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	w, disk := newSmallDisk(t, 400*mb, modest(3, 8), modestOwn)
	// A first run over some images teaches what a job takes.
	if code, out := w.build(t.Context(), "--workers", "8", "--limit", "4"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.shuffle(5)
	w.registry.Reset()
	peak := disk.WatchPeak(t.Context(), 20*time.Millisecond)
	code, out := w.build(t.Context(), "--workers", "8", "--force")
	s, seen := w.summary(), peak()
	if code != ExitOK || s.Built != 24 || s.Retried != 0 || s.Prune.LiveRemovedRecords != 0 || s.Prune.ReclaimedBytes == 0 {
		t.Fatalf("exit code %d, summary %+v, prune %+v\n%s", code, s, s.Prune, out)
	}
	w.checkPulledOnce()
	w.checkPulledBytes()
	for _, e := range w.manifest() {
		if e.AttemptCount != 1 {
			t.Errorf("%s took %d attempts", e.Name, e.AttemptCount)
		}
	}
	sp := s.Space
	t.Logf("peak %d MB, by Stoker's own account %d MB, forecast %d MB", seen/mb, sp.PeakBytes/mb, sp.ForecastPeakBytes/mb)
	if off := float64(sp.ForecastPeakBytes)/float64(sp.PeakBytes) - 1; off < -0.3 || off > 0.3 {
		t.Errorf("the forecast's peak is %.0f%% off", off*100)
	}
	if waits := events[journal.WaitingForSpace](w, "waiting_for_space"); len(waits) == 0 {
		t.Error("eight workers never waited for space, on a disk that cannot hold eight")
	}
	if full := events[journal.DiskFull](w, "disk_full"); len(full) > 0 {
		t.Errorf("the disk was full %d times", len(full))
	}
}

// When too little is reserved, the disk fills up, here while somebody else takes what is left
// of it until that is so. That costs no job an attempt.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w, disk := newSmallDisk(t, 280*mb, modest(1, 8), modestOwn+6*mb)
	filled := w.once("a step ran", ledger.EventsFile, `"type":"step_started"`, 1, func() error {
		stop := every.Interval(20*time.Millisecond, func() { _ = disk.FillUp() }) // also what is freed meanwhile
		err := w.until("the disk was full", ledger.EventsFile, `"type":"disk_full"`, 1)
		stop()
		return errors.Join(err, disk.Unfill())
	})
	code, out := w.build(t.Context(), "--workers", "4", "--job-size", "1MB", "--disk-high", "100", "--disk-low", "99")
	if err := filled(); err != nil || code != ExitOK {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	full := events[journal.DiskFull](w, "disk_full")
	// A full disk may leave a broken cache behind, which does cost an attempt.
	for _, e := range events[journal.AttemptFailed](w, "attempt_failed") {
		if e.Class != string(builder.BrokenCache) {
			t.Errorf("a full disk cost %s an attempt: %+v", e.Job, e)
		}
	}
	if last := full[len(full)-1]; last.Workers >= 4 {
		t.Errorf("workers after a full disk: %d", last.Workers)
	}
}

func TestDiskTooSmallForOneImage(t *testing.T) {
	t.Parallel()
	w, _ := newSmallDisk(t, 300*mb, modest(1, 5), modestOwn)
	large := w.bases[2].Name
	dockerfile, err := os.ReadFile(w.path("ctx/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("ctx/Dockerfile", string(dockerfile)+fmt.Sprintf("RUN if [ -e /testbed/%s.txt ]; then dd if=/dev/zero of=/large bs=1M count=400; fi\n", large))
	code, out := w.build(t.Context(), "--workers", "3", "--retries", "1")
	s := w.summary()
	if code != ExitFailed || s.Built != 4 || s.Failed != 1 {
		t.Fatalf("exit code %d, summary %+v\n%s", code, s, out)
	}
	if f := s.FailedBuilds[0]; f.Name != large || !strings.Contains(f.Error, "the disk is too small for it: it needs about") {
		t.Errorf("%s failed with %q", f.Name, f.Error)
	}
}

// Somebody else fills the disk in the middle of the run, and frees it again.
func TestDiskFilledByOthers(t *testing.T) {
	t.Parallel()
	w, disk := newSmallDisk(t, 400*mb, modest(2, 6), modestOwn)
	done := make(chan error, 1)
	go func() {
		err := w.waitForEntries(3)
		stop := every.Interval(50*time.Millisecond, func() { // also what is freed meanwhile
			if used, total, err := disk.Usage(); err == nil && total-used > 20*mb {
				_ = disk.Fill(total - used - 20*mb) // a build may be faster
			}
		})
		if err == nil {
			err = w.waitForLines("out/events.jsonl", 1, `"type":"waiting_for_space"`, `"type":"disk_full"`)
		}
		stop()
		done <- errors.Join(err, disk.Unfill())
	}()
	code, out := w.build(t.Context(), "--workers", "3", "--retries", "0")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := w.summary(); code != ExitOK || s.Built != 12 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, out)
	}
}

// waitForEntries waits until the manifest has a number of lines.
func (w *workbench) waitForEntries(n int) error { return w.waitForLines("out/manifest.jsonl", n, "\n") }

// noticeTimeout is for what a busy machine takes a while to do.
const noticeTimeout = time.Minute

// waitForLines waits until a file has some texts a number of times in all.
func (w *workbench) waitForLines(file string, n int, texts ...string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), noticeTimeout)
	defer cancel()
	for ctx.Err() == nil {
		data, _ := os.ReadFile(w.path(file))
		found := 0
		for _, text := range texts {
			found += bytes.Count(data, []byte(text))
		}
		if found >= n {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s has not %d times %q: %w", file, n, texts, ctx.Err())
}

// A run keeps to a budget. Given hardly more than it needs at least, it still pulls each
// layer once, and its cache never gets larger.
func TestCacheBudget(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, modest(3, 4))
	if _, err := lab.WriteAgent(w.path("ctx"), lab.Agent{OwnCacheBytes: modestOwn}); err != nil {
		t.Fatal(err)
	}
	w.shuffle(3)
	budget := func(bytes int64, more ...string) int64 {
		code, out := w.build(t.Context(), append(more, "--workers", "3", "--cache-budget", fmt.Sprint(bytes))...)
		s := w.summary()
		if code != ExitOK || s.Built != 12 || s.Retried != 0 || s.Prune.LiveRemovedRecords != 0 || s.Space.LeastBytes == nil {
			t.Fatalf("exit code %d, summary %+v, prune %+v\n%s", code, s, s.Prune, out)
		}
		w.checkPulledOnce()
		t.Logf("at least %d MB, peak %d MB of %d MB, forecast %d MB", *s.Space.LeastBytes/mb, s.Cache.PeakBytes/mb, bytes/mb, s.Space.ForecastPeakBytes/mb)
		if s.Cache.PeakBytes > bytes*11/10 {
			t.Errorf("the cache grew to %d MB of %d MB", s.Cache.PeakBytes/mb, bytes/mb)
		}
		return *s.Space.LeastBytes
	}
	least := budget(250*mb, "--job-size", "45MB")
	w.daemon = labtest.Buildkitd(t, w.registry)
	w.registry.Reset()
	budget(least*6/5, "--force")
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	w, disk := newSmallDisk(t, 300*mb, modest(1, 3), modestOwn)
	if code, out := w.build(t.Context(), "--preflight-free", "10GB"); code != ExitNoBuilder || !strings.Contains(out, "--preflight-free 10GB") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if s := w.summary(); s.Built != 0 || s.Unfinished != 3 {
		t.Errorf("summary %+v", s)
	}
	// Foreign cache is in the way; it may be removed only if that is allowed.
	foreign, err := lab.MakeBases(t.Context(), w.registry.Host(), lab.Shape{Instances: []string{"foreign-1"}, OSBytes: 25 * mb, EnvBytes: 1000, OwnBytes: 1000, Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	w.foreignBuild(foreign[0].Ref)
	used, _, err := disk.Usage()
	if err != nil {
		t.Fatal(err)
	}
	free := fmt.Sprintf("%dMB", (270*mb-used+20*mb)/mb)
	if code, out := w.build(t.Context(), "--preflight-free", free, "--disk-high", "95"); code != ExitNoBuilder {
		t.Errorf("with foreign cache in the way: exit code %d\n%s", code, out)
	}
	if code, out := w.build(t.Context(), "--preflight-free", free, "--disk-high", "95", "--prune-foreign"); code != ExitOK {
		t.Errorf("with --prune-foreign: exit code %d\n%s", code, out)
	}
}

func TestPlanCommand(t *testing.T) {
	t.Parallel()
	w, _ := newSmallDisk(t, 300*mb, modest(2, 4), modestOwn)
	w.shuffle(5)
	plan := func(more ...string) string {
		t.Helper()
		args := append([]string{"plan", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"),
			"-t", w.registry.Host() + "/agent/{{.Name}}:1", "--build-arg", "BUILDER_IMAGE=" + w.builder.Ref, "--state-dir", w.path("state"),
			"--batch-size", "4", "--job-size", "45MB"}, more...)
		code, out := runStoker(t.Context(), append(args, w.path("ctx"))...)
		if code != ExitOK {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		return out
	}
	table := plan()
	for _, want := range []string{"batch 2", "8 in 2 batches", "sharing layers saves", "fits", "the disk of"} {
		if !strings.Contains(table, want) {
			t.Errorf("the plan does not say %q:\n%s", want, table)
		}
	}
	p := readPlan(t, plan("--format", "json"))
	// Each project's jobs stand together, whatever the order of the list.
	changes := 0
	for i := 1; i < len(p.Jobs); i++ {
		if lab.Project(p.Jobs[i].Name) != lab.Project(p.Jobs[i-1].Name) {
			changes++
		}
	}
	if len(p.Jobs) != 8 || changes != 1 || p.Forecast.PeakBytes <= 0 || p.Forecast.SmallestBytes > p.Forecast.LeastBytes || !p.Forecast.Fits {
		t.Errorf("plan %+v", p)
	}
	if requests := w.registry.Requests(); requests.Uploads() > 0 {
		t.Errorf("a plan uploads: %+v", requests)
	}
}
