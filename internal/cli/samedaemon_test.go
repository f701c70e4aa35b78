package cli

import (
	"fmt"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// Base images that the same daemon built, so that it takes the steps' results for
// their layers, are swept with what is built on them.
func TestBasesOfTheSameDaemon(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// make builds an image on a base; what it leaves stays as others' that many
		// records.
		make   func(w *workbench, base string, tag string)
		others int
		more   []string
	}{
		{"by an earlier run", (*workbench).makeByStoker, 0, nil},
		{"by somebody else", (*workbench).makeByOthers, 5 + 2*3, nil}, // layers of the base images, and steps
		{"on the builder's own", (*workbench).makeByOthers, 0, []string{"--exclusive"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkbench(t, small(1, 3))
			w.write("make/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN head -c 1000000 /dev/urandom > /made\nWORKDIR /made-here\n")
			var refs []string
			for i, base := range w.refs() {
				refs = append(refs, fmt.Sprintf("%s/made/base-%d:1", w.registry.Host(), i))
				tt.make(w, base, refs[i])
			}
			w.registry.Reset()
			w.list(refs...)
			w.write("ctx/Dockerfile", ownStep)
			args := append([]string{"--prune", "completed", "--batch-size", "1", "--workers", "1"}, tt.more...)
			code, out := w.build(t.Context(), args...)
			w.checkSwept(code, out, 3, tt.others)
			if early := w.reclaimedEarly(); early < 4_000_000 {
				t.Errorf("%d bytes were removed before the end\n%s", early, out)
			}
			pulled := w.registry.Requests().BlobGets
			for _, ref := range refs { // which Stoker reads itself
				image, err := lab.PullImage(t.Context(), ref)
				if err != nil {
					t.Fatal(err)
				}
				config, err := image.ConfigName()
				if err != nil {
					t.Fatal(err)
				}
				delete(pulled, config.String())
			}
			if len(pulled) > 3 {
				t.Errorf("the base images were pulled: %v", pulled)
			}
		})
	}
}

// makeByStoker builds and pushes an image with a run of Stoker's.
func (w *workbench) makeByStoker(base, tag string) {
	w.t.Helper()
	code, out := runStoker(w.t.Context(), "build", "--builder", w.daemon.Addr(), "--images", w.write("one.txt", base+"\n"),
		"-t", tag, "--push", "--progress", "plain", "--output-dir", w.path("made"), "--state-dir", w.path("state"), w.path("make"))
	if code != ExitOK {
		w.t.Fatalf("exit code %d\n%s", code, out)
	}
}

// makeByOthers builds and pushes an image past Stoker.
func (w *workbench) makeByOthers(base, tag string) {
	w.t.Helper()
	err := w.daemon.Build(w.t.Context(), lab.Build{Dir: w.path("make"), Args: map[string]string{"BASE_IMAGE": base}, Push: tag})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A layer that somebody else's image pulled first counts as there, although that
// image is not of the plan.
func TestStrangerPulledFirst(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, modest(1, 4))
	w.write("ctx/Dockerfile", ownStep)
	w.foreignBuild(w.bases[3].Ref)
	w.list(w.refs()[:3]...)
	code, out := w.build(t.Context(), "--workers", "1", "--order", "given", "--cache-budget", "130MB", "--job-size", "5MB")
	w.checkAllBuilt(code, out, 3)
	if tight := append(w.warnings("may not fit"), append(w.warnings("nearly full"), w.warnings("too small")...)...); len(tight) > 0 {
		t.Errorf("warnings %v", tight)
	}
	if waits := events[journal.WaitingForSpace](w, "waiting_for_space"); len(waits) > 0 {
		t.Errorf("jobs waited: %+v\n%s", waits, out)
	}
	w.checkForeign(w.bases[3].Ref)
}

// What was built for another platform is found by prune and du, too, once they are
// told for which.
func TestPruneOfAnotherPlatform(t *testing.T) {
	t.Parallel()
	const arm = "linux/arm64"
	w := newWorkbench(t, small(1, 1))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY agent.txt /agent.txt\nWORKDIR /work\n")
	index := labtest.Index(t, w.registry, "example/index:1", lab.Image{LayerBytes: []int64{100_000}}, lab.Image{Platform: arm, LayerBytes: []int64{200_000, 300_000}})
	w.list(index.Ref)
	code, out := w.build(t.Context(), "--platform", "linux/amd64,"+arm, "--prune", "off")
	w.checkAllBuilt(code, out, 1)
	usage := w.du("--images", w.path("bases.txt"), "--platform", "linux/amd64", "--platform", arm)
	if states := usage.Total.States; states == nil || states.Live < 2_000_000 {
		t.Errorf("du finds %+v", usage.Total)
	}
	// What was linked hangs on no layer: only the run knows it.
	if usage = w.du("--run", w.path("out"), "--platform", "linux/amd64", "--platform", arm); usage.Total.States.Foreign > 64<<10 {
		t.Errorf("du --run finds %+v", usage.Total.States)
	}
	done := w.pruneJSON("--run", w.path("out"), "--platform", "linux/amd64", "--platform", arm, "--yes")
	if done.Removed == nil || done.Removed.Bytes < 2_000_000 {
		t.Errorf("prune removes %+v", done)
	}
	w.checkLeft(0)
	if code, out := w.prune("--run", w.path("out"), "--platform", "no platform", "--yes"); code != ExitUsage {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
