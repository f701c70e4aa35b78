package node_test

import (
	"errors"
	"io"
	"math"
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
	"github.com/stoker-build/stoker/internal/sweep"
)

const mb = 1_000_000

// open opens a node of a run of jobs on base images of two layers, of 100 MB each; a job adds
// 50 MB.
func open(t *testing.T, d *nodetest.Daemon, change func(*node.Options), bases ...string) (*node.Node, *nodetest.Builder) {
	t.Helper()
	b := &nodetest.Builder{Daemons: []*nodetest.Daemon{d}, Layer: 100 * mb, Own: 50 * mb}
	var jobs []cache.Job
	var known []node.Job
	for i, base := range bases {
		g, err := b.Graph(nodetest.Job(base, base))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, cache.Job{Name: base, Graph: g})
		known = append(known, node.Job{Number: i})
	}
	all := make(chan struct{})
	close(all)
	o := node.Options{Daemon: d, Needs: node.Needs{Needs: cache.NewNeeds(jobs), All: all}, Journal: journal.New(), DiskOf: d.DiskOf,
		Prune: node.PruneOptions{Policy: node.PruneAuto, By: sweep.ByLineage, Pause: time.Second, Timeout: time.Minute},
		Space: node.SpaceOptions{High: 90, Low: 70, Wait: time.Minute}}
	if change != nil {
		change(&o)
	}
	n := node.Open(t.Context(), o)
	n.Know(known)
	t.Cleanup(func() { n.Close(t.Context()) })
	return n, b
}

// reserve reserves space for a job, or fails the test.
func reserve(t *testing.T, n *node.Node, job int) *node.Shortage {
	t.Helper()
	r, short, err := n.Reserve(t.Context(), job, "job", &node.Wait{})
	if err != nil || (r == nil) == (short == nil) {
		t.Fatalf("job %d: %+v, short %+v (%v)", job, r, short, err)
	}
	return short
}

// A job is let in when there is space for it beside those that run, and told what it is
// short of otherwise.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nodetest.New("one", 1000*mb)
		n, _ := open(t, d, nil, "os/a", "os/b", "os/c")
		for job := range 2 {
			if short := reserve(t, n, job); short != nil {
				t.Errorf("job %d is short of space: %+v", job, short)
			}
		}
		d.Take(500 * mb)
		short := reserve(t, n, 2)
		if short == nil || short.Running != 2 || short.Bound != "the disk of /one" || !short.News {
			t.Fatalf("with others on the disk: %+v", short)
		}
		n.Release(0)
		n.Release(1)
		d.Take(-500 * mb)
		if short := reserve(t, n, 2); short != nil {
			t.Errorf("with nobody else it is short of space: %+v", short)
		}
	})
}

// What cannot be read does not fit: jobs are let in one at a time. A daemon that does not
// answer lets nobody in.
func TestReserveWhereNothingIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nodetest.New("one", 10_000*mb)
		n, _ := open(t, d, func(o *node.Options) { o.Space.Budget = 5000 * mb }, "os/a", "os/b")
		d.Unlisted(errors.New("it is confused"))
		if short := reserve(t, n, 0); short != nil {
			t.Errorf("the first is short of space: %+v", short)
		}
		if short := reserve(t, n, 1); short == nil || short.Bound == "" {
			t.Error("a second is let in beside it")
		}
		d.Kill(false)
		var lost *node.LostError
		if _, _, err := n.Reserve(t.Context(), 1, "job", &node.Wait{}); !errors.As(err, &lost) {
			t.Errorf("of a daemon that is gone: %v", err)
		}
	})
}

// A look ends in time by itself, also where the daemon hangs.
func TestLookEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nodetest.New("one", 1000*mb)
		n, _ := open(t, d, nil, "os/a")
		d.Stop()
		defer d.Continue()
		start := time.Now()
		_, err := n.Look(t.Context())
		if took := time.Since(start); err == nil || took > 2*time.Minute || !strings.Contains(err.Error(), "did not list its cache within") {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// What is dead goes first to make room, then what is needed latest; what others have made
// stays.
func TestRoomIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nodetest.New("one", 1000*mb)
		var needs *cache.Needs
		n, b := open(t, d, func(o *node.Options) {
			o.Prune.Owner = cache.Shared
			needs = o.Needs.Needs
		}, "os/a", "os/b", "os/c", "os/d")
		d.Put("[2/2] RUN something else", 200*mb)
		for job, base := range []string{"os/a", "os/b"} {
			end, err := n.Begin(t.Context())
			if err != nil || reserve(t, n, job) != nil {
				t.Fatal("there is no space from the start")
			}
			watch := builder.Watch{Graph: func(graph.Graph) {}, Made: n.Made, Step: func(string) {}, Alive: func() {}}
			if _, err := b.Build(t.Context(), []string{"one"}, nodetest.Job(base, base), io.Discard, watch); err != nil {
				t.Fatal(err)
			}
			n.Release(job)
			end()
		}
		needs.Finish(0) // os/a and its step are dead now
		before := d.Bytes()
		d.Take(850*mb - before)
		if short := reserve(t, n, 2); short != nil {
			t.Errorf("it is short of %+v", short)
		}
		names := map[string]bool{}
		records, _ := d.Records(t.Context())
		for _, r := range records {
			names[r.Description] = true
		}
		if names["mount / from exec os/a"] || !names["mount / from exec os/b"] || !names["[2/2] RUN something else"] {
			t.Errorf("left are %v", names)
		}
		if freed := n.FreeForeign(t.Context(), math.MaxInt64); freed.Bytes < 200*mb {
			t.Errorf("of others' records %+v went", freed)
		}
	})
}
