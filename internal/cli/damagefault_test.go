package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/show"
)

// A daemon's files are damaged between two runs. What is broken is mended, also
// where other jobs share it, and all images are built.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	own := func(w *workbench) string { return w.bases[1].Layers[2].Digest }
	shared := func(w *workbench) string { return w.bases[1].Layers[0].Digest }
	blob := func(damage func(root, digest string) error, of func(*workbench) string) func(*workbench) error {
		return func(w *workbench) error { return damage(w.daemon.Root(), of(w)) }
	}
	snapshots := func(file func(w *workbench) string) func(*workbench) error {
		return func(w *workbench) error { return lab.RemoveSnapshots(w.daemon.Root(), file(w)) }
	}
	tests := []struct {
		name   string
		damage func(w *workbench) error
	}{
		// BuildKit reads a blob again when it pushes it to a registry that does
		// not have it, and notices then.
		{"a layer of one image is gone", blob(lab.RemoveBlob, own)},
		{"a layer of one image is cut short", blob(lab.CutBlob, own)},
		{"a layer of all images is changed", blob(lab.SpoilBlob, shared)},
		{"a snapshot of one image is gone", snapshots(func(w *workbench) string { return "testbed/" + w.bases[1].Name + ".txt" })},
		{"a snapshot of all images is gone", snapshots(func(*workbench) string { return "os-release" })},
		{"the snapshots of steps are gone", snapshots(func(*workbench) string { return "opt/agent/from-base" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			w := &workbench{t: t, dir: t.TempDir(), registry: labtest.Registry(t)}
			other := labtest.Registry(t)
			w.daemon = labtest.Buildkitd(t, w.registry, other)
			w.fill(small(1, 3))
			w.write("ctx/agent.txt", "agent\n")
			w.write("ctx/Dockerfile", agentDockerfile)
			if code, out := w.build(t.Context(), "--workers", "3"); code != ExitOK {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			if err := errors.Join(w.daemon.Kill(), tt.damage(w), w.daemon.Restart(t.Context())); err != nil {
				t.Fatal(err)
			}
			// The last step is made anew, on what the daemon has of the others.
			w.write("ctx/agent.txt", "another agent\n")
			code, out := w.build(t.Context(), "--workers", "3", "--retries", "4", "-t", other.Host()+"/agent/{{.Name}}:1")
			w.checkAllBuilt(code, out, 3)
			if failures := w.failuresOf(builder.BrokenCache); failures == 0 {
				t.Error("no attempt failed, so that nothing was shown")
			}
		})
	}
}

// A private daemon whose database is broken does not start any more. That is
// told at once.
func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	if code, out := start(t, w.private())(); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if err := lab.SpoilDatabase(w.path("state/buildkit/root")); err != nil {
		t.Fatal(err)
	}
	code, out := start(t, w.private("--force"))()
	if code != ExitNoBuilder || !strings.Contains(out, "a private buildkitd: it ended at once") || !strings.Contains(out, "invalid database") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// Somebody else fills the disk of the daemon to the last byte while builds run,
// and frees it when that is noticed. It costs no job an attempt.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	w, disk := newSmallDisk(t, 300*mb, modest(1, 6), 0)
	// The first jobs wait, and then write more than is left.
	wait := w.duringStep("RUN sleep 2; dd if=/dev/zero of=/large bs=1M count=20", 3, func() error {
		return errors.Join(disk.FillUp(), w.untilEvent("disk_full"), disk.Unfill())
	})
	code, out := w.build(t.Context(), "--workers", "3", "--retries", "0")
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	w.checkAllBuilt(code, out, 6)
	if n := w.failuresOf(builder.NoSpace); n > 0 {
		t.Errorf("a full disk cost %d attempts", n)
	}
	hit := map[string]bool{}
	for _, e := range events[struct{ Job string }](w, "disk_full") {
		hit[e.Job] = true
	}
	for _, e := range w.manifest() {
		if want := map[bool]string{true: string(builder.NoSpace)}[hit[e.Name]]; e.ErrorClass != want || e.AttemptCount != 1 {
			t.Errorf("%s has the class %q after %d attempts, want %q", e.Name, e.ErrorClass, e.AttemptCount, want)
		}
	}
}

// The output directory is on a disk that fills up. The run ends and says why;
// once there is room again it is resumed, and nothing is lost or built again
// whose line was on the disk.
func TestManifestCannotBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 8))
	w.write("ctx/Dockerfile", agentDockerfile+"RUN sleep 1\n")
	disk := labtest.Disk(t, 16*mb)
	w.moveOutput(disk.Path() + "/out")
	wait := w.during(2, disk.FillUp)
	code, out := w.build(t.Context(), "--workers", "2")
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	if code != ExitFailed || !strings.Contains(out, "the manifest cannot be written") || !strings.Contains(out, "no space left on device") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if end := out[max(strings.Index(out, "\nstopped: "), 0):]; !strings.Contains(end, "reason: the manifest cannot be written") || strings.Contains(end, "\nstoker: ") {
		t.Errorf("the end does not say once why:\n%s", end)
	}
	if status, err := statusIn(w.path("out")); err != nil || status.State != show.Stopped || !strings.Contains(status.Reason, "disk") && !strings.Contains(status.Reason, "no space left on device") {
		t.Errorf("the status does not know why it ended: %+v, %v", status, err)
	}
	before := w.entriesOnDisk()
	if len(before) < 2 || len(before) == 8 {
		t.Fatalf("%d lines are on the disk", len(before))
	}
	if err := disk.Unfill(); err != nil {
		t.Fatal(err)
	}
	code, out = w.build(t.Context(), "--resume")
	if code != ExitOK {
		t.Errorf("resumed: exit code %d\n%s", code, out)
	}
	after := w.entriesOnDisk()
	for name, finished := range before {
		if after[name] != finished {
			t.Errorf("the line of %s was lost or made again: %q, was %q", name, after[name], finished)
		}
	}
	names := map[string]int{}
	for _, e := range w.manifest() {
		names[e.Name]++
	}
	for _, b := range w.bases {
		if names[b.Name] != 1 {
			t.Errorf("%s has %d lines", b.Name, names[b.Name])
		}
		if _, exists, err := w.exists(w.registry.Host() + "/agent/" + b.Name + ":1"); err != nil || !exists {
			t.Errorf("%s is not in the registry (%v)", b.Name, err)
		}
	}
}
