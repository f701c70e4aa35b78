package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// A node that has no part in a run, and dies, ends nothing.
func TestUnusedNodeThatDies(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		used, unused := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb).For("arm64")
		s := newStage(t, 1, 6, used, unused)
		time.AfterFunc(5*time.Second, func() { unused.Kill(false) })
		s.Fail = func(job string, attempt int) error {
			if job == "job-0-1" && attempt < 3 {
				return errors.New("something that gets better")
			}
			return nil
		}
		start := time.Now()
		if sum := s.run(t.Context()); sum.Built != 6 || time.Since(start) > 10*time.Minute {
			t.Errorf("%d built, stopped for %q, in %s", sum.Built, sum.StopReason, time.Since(start))
		}
	})
}

// On two nodes jobs are built side by side, and what the jobs of a project share is pulled
// by one node, but for what was split.
func TestTwoNodes(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		alone := newStage(t, 4, 10, nodetest.New("alone", 1500*mb))
		alone.PullAhead = false // which gains most where there is one node, and hides what two gain
		start := time.Now()
		alone.allBuilt(alone.run(t.Context()), 1)
		took := time.Since(start)

		s := newStage(t, 4, 10, one, two)
		s.PullAhead = false
		start = time.Now()
		s.allBuilt(s.run(t.Context()), 1)
		if both := time.Since(start); float64(took)/float64(both) < 1.8 {
			t.Errorf("two nodes took %s, one %s", both, took)
		}
		if a, b := s.BuiltOn("one"), s.BuiltOn("two"); a < 15 || b < 15 {
			t.Errorf("%d jobs were built on one node, %d on the other", a, b)
		}
		pulls, _ := one.Pulls()
		more, _ := two.Pulls()
		if all := pulls + more; all > 45+3 {
			t.Errorf("%d layers were pulled, of 45 different ones", all)
		}
		for _, e := range s.Ledger.Entries() {
			if e.Node != "one" && e.Node != "two" {
				t.Errorf("%s was built on %q", e.Name, e.Node)
			}
		}
	})
}

// A node that dies is left out, and its jobs go to the others at no cost; once it answers
// it is taken in again.
func TestNodeThatDiesAndComesBack(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		s := newStage(t, 4, 10, one, two)
		time.AfterFunc(65*time.Second, func() { two.Kill(false) })
		time.AfterFunc(3*time.Minute, func() { two.Kill(true) })
		s.allBuilt(s.run(t.Context()), 1)
		if lost := of[journal.BuilderLost](s); len(lost) == 0 || slices.ContainsFunc(lost, func(e journal.BuilderLost) bool { return e.Node != "two" }) {
			t.Errorf("lost: %+v", lost)
		}
		nodes := map[string]int{}
		for _, e := range of[journal.JobStarted](s)[20:] {
			nodes[e.Node]++
		}
		if nodes["one"] < 5 || nodes["two"] < 5 {
			t.Errorf("of the later jobs these were begun: %v", nodes)
		}
	})
}

// A run does not wait for a node that nobody needs any more.
func TestNodeThatDiesForGood(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		s := newStage(t, 2, 4, one, two)
		time.AfterFunc(35*time.Second, func() { two.Kill(false) })
		start := time.Now()
		sum := s.run(t.Context())
		s.allBuilt(sum, 1)
		if took := time.Since(start); took > 4*time.Minute {
			t.Errorf("it took %s", took)
		}
		a, b := sum.Nodes[0], sum.Nodes[1]
		if a.Name != "one" || a.Built+b.Built != 8 || a.Losses > 0 || a.Lost || b.Losses != 1 || !b.Lost {
			t.Errorf("the nodes' parts: %+v", sum.Nodes)
		}
		if sum.Prune.Left != nil || sum.Cache == nil || sum.Cache.PeakBytes == 0 || sum.Cache.EndBytes != nil {
			t.Errorf("of a node that nobody could look at in the end: prune %+v, cache %+v", sum.Prune, sum.Cache)
		}
	})
}

// A node that stands still in the middle of a build, with its connections open, is noticed
// long before an attempt may take no progress, and others build its jobs.
func TestNodeThatStandsStill(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		s := newStage(t, 2, 4, one, two)
		s.StallTimeout = time.Hour
		time.AfterFunc(35*time.Second, two.Stop)
		start := time.Now()
		s.allBuilt(s.run(t.Context()), 1)
		if took := time.Since(start); took > 5*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// One that stands still only for a while loses no job.
func TestNodeThatStandsStillForAWhile(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 1500*mb)
		s := newStage(t, 2, 4, d)
		time.AfterFunc(35*time.Second, d.Stop)
		time.AfterFunc(75*time.Second, d.Continue)
		s.allBuilt(s.run(t.Context()), 1)
		if lost := of[journal.BuilderLost](s); len(lost) > 0 {
			t.Errorf("lost: %+v", lost)
		}
		if w := of[journal.Warning](s); len(w) != 1 || !strings.Contains(w[0].Message, "one does not answer while builds wait for it") {
			t.Errorf("warnings: %+v", w)
		}
	})
}

// When all nodes were lost, the first that is back builds what waits for the others, too.
func TestFirstNodeThatComesBack(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		s := newStage(t, 2, 6, one, two)
		time.AfterFunc(35*time.Second, func() { two.Kill(false) })
		time.AfterFunc(65*time.Second, func() { one.Kill(false) })
		time.AfterFunc(2*time.Minute, func() { two.Kill(true) })
		start := time.Now()
		s.allBuilt(s.run(t.Context()), 1)
		if took := time.Since(start); took > 6*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// A node that does not answer at the start is taken in when it does: it takes over jobs of
// the others, and sweeps what it holds for them. It is told of once, and once when it comes.
func TestNodeThatComesLate(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 700*mb)
		s := newStage(t, 4, 10, one, two)
		s.comesLate(65*time.Second, nil)
		s.allBuilt(s.run(t.Context()), 1)
		if n := s.BuiltOn("two"); n < 12 || n > 19 {
			t.Errorf("%d of 40 jobs were built on the node that came late", n)
		}
		if lost := of[journal.BuilderLost](s); len(lost) != 1 || lost[0].Node != "two" || lost[0].Job != "" {
			t.Errorf("told of as lost: %+v", lost)
		}
		if back := of[journal.Recovered](s); len(back) != 1 || back[0].Node != "two" || back[0].Mending != journal.MendBuilder {
			t.Errorf("told of as back: %+v", back)
		}
		if e := of[journal.RunStarted](s)[0]; e.Workers != 4 || !slices.Equal(e.Nodes, []string{"one", "two"}) {
			t.Errorf("the run begins with %+v", e)
		}
	})
}

// A run does not wait for a node that never answers, nor for one that can have no part,
// which it says.
func TestNodeThatNeverComes(t *testing.T) {
	for after, err := range map[time.Duration]error{24 * time.Hour: nil, 30 * time.Second: errors.New("one and two are the same daemon")} {
		t.Run(after.String(), func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
				s := newStage(t, 2, 4, one, two)
				s.comesLate(after, err)
				start := time.Now()
				s.allBuilt(s.run(t.Context()), 1)
				if took := time.Since(start); took > 4*time.Minute {
					t.Errorf("it took %s", took)
				}
				said := of[journal.Warning](s)
				if err != nil && (len(said) != 1 || said[0].Message != "two is left out: one and two are the same daemon") {
					t.Errorf("it is said %+v", said)
				}
			})
		})
	}
}

// Nodes that an interrupt kept from answering are not called lost.
func TestInterruptedBeforeANodeAnswers(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 2, 4, nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb))
		s.comesLate(time.Hour, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(ErrInterrupted)
		sum := s.run(ctx)
		if lost := of[journal.BuilderLost](s); len(lost) > 0 || !sum.Interrupted || slices.ContainsFunc(sum.Nodes, func(n ledger.NodeSummary) bool { return n.Lost }) {
			t.Errorf("lost %+v, the nodes' parts %+v", lost, sum.Nodes)
		}
	})
}

// Where nothing is to be mended, a node that is lost stays left out.
func TestLostNodeThatIsNotMended(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		s := newStage(t, 2, 4, one, two)
		s.Recovery = nil
		time.AfterFunc(35*time.Second, func() { two.Kill(false) })
		s.allBuilt(s.run(t.Context()), 1)
	})
}

// When the registries are given up of all that is left, a run does not wait for a node
// that was lost.
func TestRegistryGivenUpWhileANodeIsLost(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		s := newStage(t, 2, 4, one, two)
		s.Registries.Wait = time.Minute
		time.AfterFunc(5*time.Second, func() { two.Kill(false) })
		s.Fail = func(job string, _ int) error {
			return errors.New("unexpected status from HEAD request to https://registry.example/v2/x/manifests/1: 429 Too Many Requests")
		}
		start := time.Now()
		sum := s.run(t.Context())
		if took := time.Since(start); took > time.Hour || !strings.Contains(sum.StopReason, "registry.example") {
			t.Errorf("stopped for %q after %s", sum.StopReason, took)
		}
	})
}

// A node that fails between the first word and its first listing holds nobody up: the
// other builds, and takes it in when it is back.
func TestNodeThatFailsBeforeItsFirstListing(t *testing.T) {
	for name, tt := range map[string]struct {
		fail  func(d *nodetest.Daemon)
		back  func(d *nodetest.Daemon)
		takes time.Duration
		both  bool
	}{
		"stopped":             {(*nodetest.Daemon).Stop, nil, 10 * time.Minute, false},
		"stopped for a while": {(*nodetest.Daemon).Stop, (*nodetest.Daemon).Continue, 8 * time.Minute, true},
		"killed":              {func(d *nodetest.Daemon) { d.Kill(false) }, nil, 8 * time.Minute, false},
		"killed for a while":  {func(d *nodetest.Daemon) { d.Kill(false) }, func(d *nodetest.Daemon) { d.Kill(true) }, 8 * time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
				s := newStage(t, 4, 10, one, two)
				tt.fail(two)
				if tt.back != nil {
					time.AfterFunc(100*time.Second, func() { tt.back(two) })
				}
				start := time.Now()
				s.allBuilt(s.run(t.Context()), 1)
				if took := time.Since(start); took > tt.takes {
					t.Errorf("it took %s", took)
				}
				if n := s.BuiltOn("two"); n > 0 != tt.both {
					t.Errorf("%d were built on the node that failed", n)
				}
			})
		})
	}
}

// A node that stands still when all is built holds up the end for about a minute, and no
// Ctrl-C.
func TestNodeThatStandsStillAtTheEnd(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		inMemory(t, func(t *testing.T) {
			one, two := nodetest.New("one", 5000*mb), nodetest.New("two", 5000*mb)
			s := newStage(t, 2, 4, one, two)
			s.Prune.Policy = node.PruneCompleted
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var stopped time.Time
			var built atomic.Int32
			s.Fail = func(string, int) error {
				if built.Add(1) == 8 { // the last, after which the others have ended
					stopped = time.Now()
					two.Stop()
					if interrupted {
						time.AfterFunc(20*time.Second, func() { cancel(ErrInterrupted) })
					}
				}
				return nil
			}
			sum := s.run(ctx)
			most := 3 * time.Minute
			if interrupted {
				most = 40 * time.Second
			}
			if took := time.Since(stopped); sum.Built != 8 || took > most {
				t.Errorf("%d built; it took %s to end (interrupted %t)", sum.Built, took, interrupted)
			}
		})
	}
}

// What one build finds out of a silent node counts for all that run there.
func TestSilentNodeIsLostOnce(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 2500*mb), nodetest.New("two", 2500*mb)
		s := newStage(t, 4, 10, one, two)
		s.Workers, s.Takes = 4, 30*time.Second
		time.AfterFunc(65*time.Second, two.Stop)
		s.allBuilt(s.run(t.Context()), 1)
		lost := of[journal.BuilderLost](s)
		if len(lost) < 2 {
			t.Errorf("lost: %+v", lost)
		}
		if w := of[journal.Warning](s); len(w) != 1 {
			t.Errorf("warnings: %+v", w)
		}
	})
}
