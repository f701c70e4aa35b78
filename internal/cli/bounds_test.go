package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// overTCP leads to the workbench's daemon by an address that does not tell where
// its disk is.
func (w *workbench) overTCP() string {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var conns []net.Conn
		for {
			from, err := listener.Accept()
			if err != nil {
				break
			}
			to, err := (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(w.daemon.Addr(), "unix://"))
			if err != nil {
				from.Close()
				continue
			}
			conns = append(conns, from, to)
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
		for _, c := range conns {
			c.Close()
		}
	}()
	w.t.Cleanup(func() {
		stop()
		listener.Close()
		<-ended
	})
	return "tcp://" + listener.Addr().String()
}

// A disk that cannot be seen bounds the run once it was full. That costs no image, and an
// attempt only where the daemon no longer finds its disk full; the run says so at its start.
func TestUnseenDisk(t *testing.T) {
	t.Parallel()
	w, _ := newSmallDisk(t, 280*mb, modest(1, 8), modestOwn+6*mb)
	flags := []string{"--builder", w.overTCP(), "--workers", "3", "--stall-timeout", "1m"}
	code, out := w.build(t.Context(), flags...)
	if code != 0 && strings.Contains(out, "start it anew if this goes on") { // the full disk has left a layer locked
		if err := w.daemon.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if code, out = w.build(t.Context(), append(flags, "--resume")...); code != 0 {
			t.Errorf("it does not go on with a builder that was started anew: exit code %d\n%s", code, out)
		}
		return
	}
	w.checkAllBuilt(code, out, 8)
	if len(w.warnings("cannot be seen from here")) != 1 {
		t.Errorf("the run does not say at its start, and once, that the disk cannot be seen\n%s", out)
	}
	full := events[journal.DiskFull](w, "disk_full")
	if len(full) == 0 {
		t.Fatal("the disk was never full, so that nothing was shown")
	}
	if len(w.warnings("the builder's disk is full with")) != 1 {
		t.Errorf("the level that the disk had when it was full is no bound\n%s", out)
	}
	// Where what a step had written is cleared away before the daemon is asked, its attempt counts.
	for _, f := range events[journal.AttemptFailed](w, "attempt_failed") {
		if !strings.Contains(f.Error, "No space left on device") || !f.Retry {
			t.Errorf("an attempt failed for another reason than the full disk: %+v", f)
		}
	}
}

// What an earlier run left on a private builder makes room for the next, which is
// as good as on an empty one.
func TestLeftOver(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, modest(2, 3))
	for i, dockerfile := range []string{"first", "second"} {
		w.write("ctx/Dockerfile", ownStepOf(dockerfile, modestOwn))
		w.registry.Reset()
		code, out := start(t, w.private("--force", "--workers", "2", "--cache-budget", "250MB", "--job-size", "45MB"))()
		w.checkAllBuilt(code, out, 6)
		s := w.summary()
		if i == 1 && s.Cache.StartBytes < 100*mb {
			t.Errorf("only %d MB were left by the first run, so that nothing was shown", s.Cache.StartBytes/mb)
		}
		if s.Cache.PeakBytes > 275*mb || s.Retried > 0 {
			t.Errorf("the cache grew to %d MB, %d retried\n%s", s.Cache.PeakBytes/mb, s.Retried, out)
		}
		if pulled := w.pulled(); pulled == 0 && i == 0 {
			t.Error("no layer was pulled at all")
		}
		if tight := w.warnings("may not fit"); len(tight) > 0 {
			t.Errorf("the %s run warns %v", dockerfile, tight)
		}
	}
	// What is left over went before anything that the second run could use.
	if s := w.summary(); s.Prune.ReclaimedBytes < s.Cache.StartBytes/2 {
		t.Errorf("of %d MB that were left over only %d MB were removed in all", s.Cache.StartBytes/mb, s.Prune.ReclaimedBytes/mb)
	}
}

// What earlier runs made in the place of the same steps makes no plan too large that fits an empty cache.
func TestPlanFitsBesideFormerResults(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 4))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG COMMIT\nENV COMMIT=${COMMIT}\nRUN head -c 4000000 /dev/urandom > /own\n")
	for _, commit := range []string{"1", "2", "3"} {
		if code, out := start(t, w.private("--force", "--build-arg", "COMMIT="+commit))(); code != ExitOK {
			t.Fatalf("exit code %d\n%s", code, out)
		}
	}
	// 15 MB are needed at once, and 22 MB would be with what looks needed.
	plan := w.private("--force", "--build-arg", "COMMIT=4", "--cache-budget", "18MB", "--format", "json")
	plan.Args[1] = "plan"
	plan.Args = slices.DeleteFunc(plan.Args, func(a string) bool { return a == "--progress" || a == "plain" })
	code, out := start(t, plan)()
	if code != ExitOK || !strings.Contains(out, `"fits": true`) {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// ownStepOf is a Dockerfile whose step writes bytes and is unlike those of others.
func ownStepOf(name string, bytes int64) string {
	return fmt.Sprintf("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo %s && head -c %d /dev/urandom > /own\n", name, bytes)
}

// Layers that are half pulled teach nothing of what layers take, so that the first
// jobs of the first run are not let in together.
func TestHalfPulledLayers(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, lab.Shape{Instances: lab.Instances(1, 6), OSBytes: 40 * mb, EnvBytes: 4 * mb, OwnBytes: mb, Seed: 5})
	w.write("ctx/Dockerfile", ownStepOf("own", 24*mb))
	// The large layer takes its time.
	w.registry.Inject(lab.Fault{Kind: lab.KindBlob, Digest: w.bases[0].Layers[0].Digest, BytesPerSecond: 16 * mb})
	const budget = 330 * mb
	code, out := w.build(t.Context(), "--workers", "6", "--cache-budget", fmt.Sprint(budget))
	w.checkAllBuilt(code, out, 6)
	if peak := w.summary().Cache.PeakBytes; peak > budget*21/20 {
		t.Errorf("the cache grew to %d MB of %d MB\n%s", peak/mb, budget/mb, out)
	}
}

// With --prune completed, too, the cache is trimmed after a batch that leaves the
// disk too full.
func TestTrimAfterSweep(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.write("ctx/Dockerfile", ownStep)
	foreign := labtest.Image(t, w.registry, lab.Image{Name: "example/foreign:1", LayerBytes: []int64{3 * mb}})
	w.foreignBuild(foreign.Ref)
	for _, tt := range []struct {
		threshold string
		trimmed   bool
	}{{"100", false}, {"0", true}} {
		code, out := w.build(t.Context(), "--force", "--workers", "1", "--batch-size", "1", "--prune", "completed",
			"--prune-threshold", tt.threshold, "--keep-storage", "1MB", "--prune-foreign")
		w.checkAllBuilt(code, out, 3)
		if end := *w.summary().Cache.EndBytes; (end < 2*mb) != tt.trimmed {
			t.Errorf("above %s percent of the disk: %d bytes are left\n%s", tt.threshold, end, out)
		}
	}
	if trims := events[journal.SweepFinished](w, "sweep_finished"); len(trims) == 0 {
		t.Error("no sweeps")
	}
}

// A prune by description is asked for the images of the batch that has finished,
// in whatever order the jobs were built.
func TestDescriptionOfTheRightBatch(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, lab.Shape{Instances: []string{"a__a-1", "b__b-1", "a__a-2", "b__b-2", "a__a-3", "b__b-3"}, OSBytes: mb, EnvBytes: mb, OwnBytes: 1000, Seed: 1})
	// Nothing stands on the layers, so that they can be removed by their names.
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS base\nFROM scratch\nCOPY --from=base /testbed /testbed\n")
	code, out := w.build(t.Context(), "--workers", "1", "--batch-size", "3", "--order", "shared", "--prune", "completed", "--prune-by", "description")
	w.checkAllBuilt(code, out, 6)
	w.checkPulledOnce()
	if p := w.summary().Prune; p.ReclaimedRecords == 0 {
		t.Errorf("nothing was removed by description, so that nothing was shown: %+v", p)
	}
}
