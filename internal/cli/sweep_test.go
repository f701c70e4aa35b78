package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
)

// events returns the run's events of one kind; all for "".
func events[T any](w *workbench, kind string) []T {
	w.t.Helper()
	data, err := os.ReadFile(w.path("out/events.jsonl"))
	if err != nil {
		w.t.Fatal(err)
	}
	var out []T
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var head struct{ Type string }
		if err := json.Unmarshal(line, &head); err != nil {
			w.t.Fatalf("event %q: %v", line, err)
		}
		if kind != "" && head.Type != kind {
			continue
		}
		var e T
		if err := json.Unmarshal(line, &e); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// foreignBuild builds another image on one of the bases, past Stoker, and
// returns BuildKit's progress.
func (w *workbench) foreignBuild(base string) string {
	w.t.Helper()
	w.write("foreign/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo somebody else > /else\nCOPY file /file\nRUN cat /file > /copy\n")
	w.write("foreign/file", "foreign\n")
	out, err := w.daemon.Buildctl(w.t.Context(), "build", "--progress=plain", "--frontend=dockerfile.v0",
		"--local=context="+w.path("foreign"), "--local=dockerfile="+w.path("foreign"), "--opt=build-arg:BASE_IMAGE="+base)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// checkForeign makes sure that every step of the foreign image is a cache hit.
func (w *workbench) checkForeign(base string) {
	w.t.Helper()
	if out := w.foreignBuild(base); strings.Count(out, " CACHED") != 3 {
		w.t.Errorf("the foreign image on %s is not all cached any more:\n%s", base, out)
	}
}

// checkPulledOnce makes sure that no layer of a base image was pulled twice.
func (w *workbench) checkPulledOnce() {
	w.t.Helper()
	if w.pulled() == 0 {
		w.t.Error("no layer was pulled at all")
	}
}

// pulled returns how many layers were pulled, none of them twice.
func (w *workbench) pulled() (pulled int) {
	w.t.Helper()
	gets := w.registry.Requests().BlobGets
	for _, b := range w.bases {
		for _, l := range b.Layers {
			if gets[l.Digest] > 1 {
				w.t.Errorf("layer %s of %s was pulled %d times", l.Digest, b.Name, gets[l.Digest])
			}
			pulled += gets[l.Digest]
		}
	}
	return pulled
}

// checkPulledBytes makes sure that the run tells of as many bytes as the registry has sent of
// layers.
func (w *workbench) checkPulledBytes() {
	w.t.Helper()
	gets, sizes := w.registry.Requests().BlobGets, map[string]int64{}
	for _, b := range append(w.bases, w.builder) {
		for _, l := range b.Layers {
			sizes[l.Digest] = l.Size
		}
	}
	var sent int64
	for layer, size := range sizes {
		sent += size * int64(gets[layer])
	}
	if told := bytesize.Sum(w.summary().PulledBytes, new(int64)); *told != sent {
		w.t.Errorf("the run tells of %d bytes that were pulled, the registry has sent %d", *told, sent)
	}
}

// pulledAgain counts the layers that were pulled more than once.
func (w *workbench) pulledAgain() (again int) {
	gets, seen := w.registry.Requests().BlobGets, map[string]bool{}
	for _, b := range w.bases {
		for _, l := range b.Layers {
			if gets[l.Digest] > 1 && !seen[l.Digest] {
				seen[l.Digest] = true
				again++
			}
		}
	}
	return again
}

func (w *workbench) shuffle(seed uint64) {
	w.t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	refs := make([]string, len(w.bases))
	for i, j := range rng.Perm(len(w.bases)) {
		refs[i] = w.bases[j].Ref
	}
	w.write("bases.txt", strings.Join(refs, "\n"))
}

// After each batch nothing dead is left but what is in use; nothing live and
// nothing foreign is removed; each layer is pulled once, in an order that shares little.
func TestSweepsExactlyTheDead(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(3, 8))
	w.shuffle(7)
	// Two foreign images: on a base image of the plan, and on a base of
	// its own that shares the operating system layer.
	own, err := lab.MakeBases(t.Context(), w.registry.Host(), lab.Shape{Instances: []string{"foreign-1"}, OSBytes: 1 << 20, EnvBytes: 1000, OwnBytes: 1000, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.foreignBuild(w.bases[0].Ref)
	w.foreignBuild(own[0].Ref)
	w.registry.Reset()

	code, out := w.build(t.Context(), "--workers", "4", "--batch-size", "6", "--prune", "completed")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	sweeps := events[journal.SweepFinished](w, "sweep_finished")
	if len(sweeps) != 5 { // 4 batches and the last one
		t.Errorf("%d sweeps", len(sweeps))
	}
	for _, s := range sweeps {
		if left := s.DeadBytes - s.ReclaimedBytes - s.BusyBytes - s.RefusedBytes; left != 0 || s.LiveRemovedRecords != 0 || s.Error != "" {
			t.Errorf("batch %d leaves %d bytes dead: %+v", s.Batch, left, s)
		}
	}
	p := w.summary().Prune
	if p.ReclaimedBytes == 0 || p.LeftRecords != 0 || p.LiveRemovedRecords != 0 || p.DeadBytes != p.ReclaimedBytes {
		t.Errorf("prune %+v", p)
	}
	w.checkPulledOnce()
	w.checkForeign(w.bases[0].Ref)
	w.checkForeign(own[0].Ref)
	w.checkNothingLeft(own[0].Ref, w.bases[0].Ref)
}

// checkNothingLeft makes sure that only what foreign builds made is left on the
// daemon: their own records, not the plan's.
func (w *workbench) checkNothingLeft(except ...string) {
	w.t.Helper()
	c, err := w.daemon.Client(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	usage, err := c.DiskUsage(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, u := range usage {
		ours := strings.Contains(u.Description, "agent")
		for _, b := range w.bases {
			ours = ours || strings.Contains(u.Description, b.Ref) && !contains(except, b.Ref)
		}
		if ours && u.RecordType == "regular" {
			w.t.Errorf("a record of the plan is left: %s (%s)", u.Description, u.ID)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// A job between two attempts has nothing in use; only the plan protects what it
// will need again.
func TestSweepKeepsWhatARetryNeeds(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 4))
	slow := w.bases[0].Name
	hook := fmt.Sprintf(`[ "$STOKER_IMAGE_NAME" != %s ] || [ -e %[2]s ] || { touch %[2]s; exit 1; }`, slow, w.path("failed-once"))
	code, out := w.build(t.Context(), "--workers", "2", "--batch-size", "1", "--retry-delay", "6s", "--post-build", hook, "--prune", "completed")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, e := range w.manifest() {
		// The RUN and two COPYs; a FROM is called cached at times.
		if e.Name == slow && (e.AttemptCount != 2 || e.CachedStepCount < 3) {
			t.Errorf("attempt %d found %d of %d steps cached", e.AttemptCount, e.CachedStepCount, e.StepCount)
		}
	}
	if n := w.reclaimedBeforeRetry(slow); n == 0 {
		t.Error("nothing was swept between the attempts, so that nothing was shown")
	}
	w.checkPulledOnce()
}

// reclaimedBeforeRetry counts the records that were removed between a job's
// first attempt and its second.
func (w *workbench) reclaimedBeforeRetry(job string) (records int) {
	w.t.Helper()
	waiting := false
	for _, e := range events[struct {
		Type, Job        string
		Attempt          int
		ReclaimedRecords int `json:"reclaimed_records"`
	}](w, "") {
		switch {
		case e.Type == "attempt_failed" && e.Job == job:
			waiting = true
		case e.Type == "attempt_started" && e.Job == job:
			waiting = false
		case waiting:
			records += e.ReclaimedRecords
		}
	}
	return records
}

// Why this project exists, kept true with new versions of BuildKit: a prune by
// description frees nothing after a normal batch, since the layers that carry
// an image's name have records above them. By lineage, all of it goes.
func TestDescriptionFreesNothing(t *testing.T) {
	t.Parallel()
	for by, frees := range map[string]bool{"description": false, "lineage": true} {
		t.Run(by, func(t *testing.T) {
			w := newWorkbench(t, small(2, 3))
			code, out := w.build(t.Context(), "--batch-size", "2", "--prune", "completed", "--prune-by", by)
			if code != ExitOK {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			p := w.summary().Prune
			if p.Sweeps < 3 || len(p.Failures) > 0 {
				t.Errorf("prune %+v", p)
			}
			if (p.ReclaimedBytes > 0) != frees {
				t.Errorf("by %s, %d bytes were reclaimed", by, p.ReclaimedBytes)
			}
		})
	}
}

// A daemon that hangs or dies when all that is left to do is to sweep fails no
// build; the summary says what was not swept.
func TestDaemonIsLostBeforeTheLastSweep(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*lab.Buildkitd) error{"hangs": (*lab.Buildkitd).Pause, "dies": (*lab.Buildkitd).Kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			w := newWorkbench(t, small(1, 4))
			hook := fmt.Sprintf("cd %s; echo >>calls; [ $(wc -l <calls) -lt 4 ] || { touch last; while [ ! -e lost ]; do sleep 0.1; done; }", w.path("."))
			lost := make(chan error, 1)
			go func() {
				for !exists(w.path("last")) && t.Context().Err() == nil {
					time.Sleep(20 * time.Millisecond)
				}
				lost <- errors.Join(lose(w.daemon), os.WriteFile(w.path("lost"), nil, 0o644))
			}()
			code, out := w.build(t.Context(), "--workers", "1", "--batch-size", "1", "--prune", "completed", "--prune-timeout", "2s", "--post-build", hook)
			if err := <-lost; err != nil {
				t.Fatal(err)
			}
			w.checkAllBuilt(code, out, 4)
			if p := w.summary().Prune; len(p.Failures) == 0 || p.ReclaimedRecords == 0 || p.LiveRemovedRecords != 0 {
				t.Errorf("prune %+v", p)
			}
		})
	}
}

func TestTrimByThreshold(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 3))
	w.foreignBuild(w.bases[0].Ref)
	// The disk is always fuller than 0 percent. What is dead goes, nothing else.
	if code, out := w.build(t.Context(), "--batch-size", "3", "--prune", "off", "--prune-threshold", "0", "--keep-storage", "0"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if p := w.summary().Prune; p.ReclaimedBytes == 0 || p.LiveRemovedRecords != 0 {
		t.Errorf("prune %+v", p)
	}
	w.checkForeign(w.bases[0].Ref)
	// With --prune-foreign everything may go.
	if code, out := w.build(t.Context(), "--force", "--batch-size", "3", "--prune", "off", "--prune-threshold", "0", "--keep-storage", "0", "--prune-foreign"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if out := w.foreignBuild(w.bases[0].Ref); strings.Contains(out, "CACHED") {
		t.Errorf("foreign records are still there:\n%s", out)
	}
}
