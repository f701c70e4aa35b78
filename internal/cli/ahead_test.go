package cli

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/engine"
)

// While it is still asked what some jobs do, others are built. Nothing that an
// unknown job may need is removed meanwhile, and what is dead goes afterwards.
func TestFirstBuildsStartBeforeAllIsKnown(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for _, order := range []string{"shared", "given"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, modest(2, 3))
			refs := []string{silent.Addr().String() + "/swebench/none:1"}
			for i := range w.bases {
				refs = append(refs, w.bases[i%2*3+i/2].Ref) // of the two projects in turn
			}
			w.write("bases.txt", strings.Join(refs, "\n"))
			code, out := w.build(t.Context(), "--workers", "2", "--batch-size", "3", "--order", order, "--prune", "completed", "--retries", "0", "--timeout", "5s")
			s := w.summary()
			if code != ExitFailed || s.Built != 6 || s.Failed != 1 || s.Prune.LiveRemovedRecords != 0 {
				t.Fatalf("exit code %d, summary %+v, prune %+v\n%s", code, s, s.Prune, out)
			}
			kinds := events[struct{ Type string }](w, "")
			asked := lastOf(kinds, "surveying")
			if built, swept := firstOf(kinds, "job_finished"), firstOf(kinds, "sweep_started"); built > asked || swept < asked {
				t.Errorf("of %d events, the first job finished at %d, it was last asked at %d and first swept at %d\n%s", len(kinds), built, asked, swept, out)
			}
			w.checkPulledOnce()
			swept := map[int]bool{}
			for _, e := range events[engine.SweepFinished](w, "sweep_finished") {
				swept[e.Batch] = true
			}
			if !swept[1] || !swept[2] {
				t.Errorf("swept batches %v\n%s", swept, out)
			}
		})
	}
}

func firstOf(events []struct{ Type string }, kind string) int {
	return slices.IndexFunc(events, func(e struct{ Type string }) bool { return e.Type == kind })
}

func lastOf(events []struct{ Type string }, kind string) int {
	reversed := slices.Clone(events)
	slices.Reverse(reversed)
	return len(events) - 1 - firstOf(reversed, kind)
}
