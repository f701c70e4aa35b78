package cli

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/run"
)

// While it is still asked what some jobs do, others are built. Nothing that an
// unknown job may need is removed meanwhile, and what is dead goes afterwards.
func TestFirstBuildsStartBeforeAllIsKnown(t *testing.T) {
	t.Parallel()
	silent := silentRegistry(t)
	for _, order := range []string{"shared", "given"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, modest(2, 3))
			refs := []string{silent + "/swebench/none:1"}
			for i := range w.bases {
				refs = append(refs, w.bases[i%2*3+i/2].Ref) // of the two projects in turn
			}
			w.write("bases.txt", strings.Join(refs, "\n"))
			code, out := w.build(t.Context(), "--workers", "2", "--batch-size", "3", "--order", order, "--prune", "completed", "--retries", "0", "--timeout", "15s")
			s := w.summary()
			if code != ExitFailed || s.Built != 6 || s.Failed != 1 || s.Prune.LiveRemovedRecords != 0 {
				t.Fatalf("exit code %d, summary %+v, prune %+v\n%s", code, s, s.Prune, out)
			}
			kinds := events[struct{ Type string }](w, "")
			asked := lastOf(kinds, "surveying")
			if started, swept := firstOf(kinds, "job_started"), firstOf(kinds, "sweep_started"); started > asked || swept < asked {
				t.Errorf("of %d events, the first job started at %d, it was last asked at %d and first swept at %d\n%s", len(kinds), started, asked, swept, out)
			}
			w.checkPulledOnce()
			swept := map[int]bool{}
			for _, e := range events[journal.SweepFinished](w, "sweep_finished") {
				swept[e.Batch] = true
			}
			if !swept[1] || !swept[2] {
				t.Errorf("swept batches %v\n%s", swept, out)
			}
		})
	}
}

// A run that is interrupted while the builder is asked warns of nothing: that a
// registry did not answer until then says nothing of it.
func TestInterruptedWhileAsked(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("bases.txt", silentRegistry(t)+"/swebench/none:1")
	ctx, interrupt := context.WithCancelCause(t.Context())
	go func() {
		defer interrupt(run.ErrInterrupted)
		if err := w.untilEvent("surveying"); err != nil {
			t.Error(err)
		}
	}()
	code, out := w.build(ctx)
	if warnings := events[journal.Warning](w, "warning"); code != ExitInterrupted || len(warnings) > 0 {
		t.Errorf("exit code %d, warnings %v\n%s", code, warnings, out)
	}
}

// silentRegistry returns the address of a registry that accepts, and never answers.
func silentRegistry(t *testing.T) string {
	t.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	return silent.Addr().String()
}

func firstOf(events []struct{ Type string }, kind string) int {
	return slices.IndexFunc(events, func(e struct{ Type string }) bool { return e.Type == kind })
}

func lastOf(events []struct{ Type string }, kind string) int {
	reversed := slices.Clone(events)
	slices.Reverse(reversed)
	return len(events) - 1 - firstOf(reversed, kind)
}
