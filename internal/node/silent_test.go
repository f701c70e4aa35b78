package node_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// buildOne builds a job that is the only one, after which what it has made is dead.
func buildOne(t *testing.T, n *node.Node, b *nodetest.Builder, needs *cache.Needs, base string) {
	t.Helper()
	watch := builder.Watch{Graph: func(graph.Graph) {}, Made: n.Made, Step: func(string) {}, Alive: func() {}}
	if _, err := b.Build(t.Context(), []string{"one"}, nodetest.Job(base, base), io.Discard, watch); err != nil {
		t.Fatal(err)
	}
	needs.Finish(0)
}

// A daemon that stands still while space is looked for there is lost after about a minute,
// whatever it was asked; that it is silent is told after some seconds, and why it matters.
func TestDaemonThatStopsWhileSpaceIsLookedFor(t *testing.T) {
	for _, call := range []nodetest.Call{nodetest.Listing, nodetest.Deleting, nodetest.Forgetting, nodetest.Collecting} {
		t.Run(string(call), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := nodetest.New("one", 1000*mb)
				var needs *cache.Needs
				j := journal.New()
				n, b := open(t, d, func(o *node.Options) { needs, o.Journal = o.Needs.Needs, j }, "os/a", "os/b")
				buildOne(t, n, b, needs, "os/a")
				// All is on the disk that may be, and others' in the way.
				d.Take(900 * mb)
				start := time.Now()
				var warned []time.Duration
				told := j.Subscribe(journal.Everything, func(at time.Time, e journal.Event) {
					if w, is := e.(journal.Warning); is && strings.Contains(w.Message, "one does not answer while a job waits for space on it") {
						warned = append(warned, at.Sub(start))
					}
				})
				d.StopAt(call, 1)
				_, _, err := n.Reserve(t.Context(), 1, "job", &node.Wait{})
				took := time.Since(start)
				if lost := (*node.LostError)(nil); !errors.As(err, &lost) || took > 90*time.Second {
					t.Errorf("after %s: %v", took, err)
				}
				d.Continue()
				_ = told.Close(time.Minute)
				if len(warned) != 1 || warned[0] > 25*time.Second {
					t.Errorf("warned after %v", warned)
				}
			})
		})
	}
}

// Who waits for another sweep, which hangs, does not wait for longer than they want to.
func TestNobodyWaitsForASweepThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nodetest.New("one", 1000*mb)
		var needs *cache.Needs
		n, b := open(t, d, func(o *node.Options) { needs, o.Prune.Policy = o.Needs.Needs, node.PruneCompleted }, "os/a", "os/b")
		buildOne(t, n, b, needs, "os/a")
		d.StopAt(nodetest.Deleting, 1)
		n.BatchDone(t.Context(), 1, nil)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d.Take(800 * mb)
		start := time.Now()
		if _, _, err := n.Reserve(ctx, 1, "job", &node.Wait{}); err == nil || time.Since(start) > time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		d.Continue()
	})
}

// A forecast and what is learned from a job do not wait for a daemon that stands still.
func TestWhatCanBeDoneWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nodetest.New("one", 1000*mb)
		n, _ := open(t, d, func(o *node.Options) { o.Space.Budget = 500 * mb }, "os/a", "os/b")
		d.Stop()
		defer d.Continue()
		for what, do := range map[string]func(){
			"strangers":  func() { n.AskStrangers(t.Context()) },
			"an outlook": func() { n.Outlook(t.Context(), []int{0, 1}, 1) },
			"a job":      func() { n.JobDone(t.Context(), 1) },
			"a fit":      func() { n.Fits(t.Context(), 1) },
		} {
			start := time.Now()
			do()
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s took %s", what, took)
			}
			time.Sleep(time.Minute)
		}
	})
}

// A run that is left ends within some seconds though the daemon stands still, whatever it
// was asked: the bounds of what is waited for do not add up.
func TestLeavingADaemonThatStandsStill(t *testing.T) {
	for _, call := range []nodetest.Call{nodetest.Listing, nodetest.Deleting, nodetest.Collecting} {
		t.Run(string(call), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := nodetest.New("one", 1000*mb)
				var o node.Options
				_, b := open(t, d, func(as *node.Options) {
					as.Prune.Policy = node.PruneCompleted
					o = *as
				}, "os/a", "os/b")
				n := node.Open(t.Context(), o)
				n.Know([]node.Job{{Number: 0}, {Number: 1}})
				buildOne(t, n, b, o.Needs.Needs, "os/a")
				d.Take(800 * mb)
				d.StopAt(call, 1)
				ctx, leave := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, leave)
				start := time.Now()
				_, _, _ = n.Reserve(ctx, 1, "job", &node.Wait{})
				n.Close(ctx)
				n.Outcome(ctx, node.Outlook{})
				if took := time.Since(start) - time.Second; took > 6*time.Second {
					t.Errorf("it took %s to end", took)
				}
				d.Continue()
			})
		})
	}
}
