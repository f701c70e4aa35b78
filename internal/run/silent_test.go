package run

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

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

// A node that stands still while space is looked for there is lost as one is that builds:
// told of once at its first silence, and the job that waits goes to another at no cost.
func TestNodeThatStandsStillWhileSpaceIsLookedFor(t *testing.T) {
	for _, call := range []nodetest.Call{nodetest.Deleting, nodetest.Listing} {
		for nth := range 3 {
			t.Run(fmt.Sprintf("%s %d", call, nth+1), func(t *testing.T) {
				inMemory(t, func(t *testing.T) {
					one, two := nodetest.New("one", 0), nodetest.New("two", 0)
					s := newStage(t, 2, 6, one, two)
					s.Space.Budget = 500 * mb
					time.AfterFunc(45*time.Second, func() { two.StopAt(call, nth+1) })
					start := time.Now()
					sum := s.run(t.Context())
					s.allBuilt(sum, 1)
					if took := time.Since(start); took > 8*time.Minute {
						t.Errorf("it took %s", took)
					}
					if sum.Nodes[1].Losses != 1 || sum.Nodes[0].Losses != 0 {
						t.Errorf("the nodes' parts: %+v", sum.Nodes)
					}
					if w := of[journal.Warning](s); len(w) == 0 || !strings.Contains(w[0].Message, "two does not answer while ") {
						t.Errorf("warnings: %+v", w)
					}
				})
			})
		}
	}
}

// A node that freezes as soon as it has been listed keeps no other from building.
func TestNodeThatFreezesAfterItsFirstListing(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 0), nodetest.New("two", 0)
		s := newStage(t, 1, 2, one, two)
		s.Space.Budget, s.Workers = 1000*mb, 1
		two.StopAt(nodetest.Listing, 2)
		start := time.Now()
		s.allBuilt(s.run(t.Context()), 1)
		first := s.Ledger.Entries()[0]
		if waited := first.StartedAt.Sub(start); waited > 5*time.Second {
			t.Errorf("the first job began after %s", waited)
		}
		if took := time.Since(start); took > 3*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}
