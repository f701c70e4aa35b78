package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// A forecast is set beside the peak of the same bound, also where that is not the one which
// was the tightest at first.
func TestOutcomeIsOfOneBound(t *testing.T) {
	d := nodetest.New("one", 3000*mb)
	d.Take(500 * mb)
	n, _ := open(t, d, func(o *node.Options) { o.Space.Budget, o.Space.Rates.Own = 400*mb, 20*mb }, "os/a", "os/b")
	before := n.Outlook(t.Context(), []int{0, 1}, 1)
	if before.Tightest == nil || before.Tightest.Bound != node.BudgetName || before.Forecast.PeakBytes >= 500*mb {
		t.Fatalf("at first: %+v, forecast %+v", before.Tightest, before.Forecast)
	}
	d.Unlisted(errors.New("it stands still"))
	s := n.Outcome(t.Context(), before)
	if s.Bound == node.BudgetName || s.OtherBytes != 500*mb || s.ForecastPeakBytes < 500*mb || s.LeastBytes != nil { // nothing ran
		t.Errorf("on a disk with 500 MB of others: %+v", s)
	}
	if s.OwnBytesPerJob != 0 {
		t.Errorf("what a user said is told as seen: %+v", s)
	}
}

// Who only looks takes no ballast, and that of a run is left alone by others on its disk,
// which go without.
func TestBallastIsOneRuns(t *testing.T) {
	dir := t.TempDir()
	on := func(t *testing.T) *node.Node {
		n, _ := open(t, nodetest.New("one", 0), func(o *node.Options) {
			o.Space.DiskPath = dir
			o.DiskOf = func(string) (builder.Disk, error) { return builder.Disk{Total: 100 * mb, Free: 70 * mb}, nil }
		}, "os/a")
		return n
	}
	is := func(t *testing.T, there bool, when string) {
		t.Helper()
		if _, err := os.Stat(filepath.Join(dir, ".stoker-ballast")); (err == nil) != there {
			t.Errorf("%s: there %t", when, !there)
		}
	}
	build := func(t *testing.T, n *node.Node) {
		end, err := n.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		end()
	}
	t.Run("a run", func(t *testing.T) {
		n := on(t)
		is(t, false, "before its first build")
		build(t, n)
		is(t, true, "after that")
		t.Run("another", func(t *testing.T) { build(t, on(t)) })
		t.Run("a look", func(t *testing.T) { on(t) })
		is(t, true, "after others")
	})
	is(t, false, "at its end")
}

// What is said to be used of a disk has no ballast in it, whether an earlier run has left
// that or this one takes it.
func TestBallastIsNotUsed(t *testing.T) {
	for _, left := range []bool{false, true} {
		dir := t.TempDir()
		ballast := filepath.Join(dir, ".stoker-ballast")
		if left {
			if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var taken atomic.Int64
		n, _ := open(t, nodetest.New("one", 0), func(o *node.Options) {
			o.Space.DiskPath = dir
			o.DiskOf = func(string) (builder.Disk, error) {
				used := int64(30 * mb)
				if info, err := os.Stat(ballast); err == nil {
					used += info.Size()
					taken.Store(info.Size())
				}
				return builder.Disk{Total: 100 * mb, Used: used, Free: 100*mb - used}, nil
			}
		}, "os/a")
		end, err := n.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer end()
		if at := n.Outlook(t.Context(), []int{0}, 1).Tightest; taken.Load() == 0 || at.Used != 30*mb || at.Others != 30*mb {
			t.Errorf("left %v: %+v, with a ballast of %d", left, at, taken.Load())
		}
	}
}
