package run

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/plan"
)

// A node that stands still while space is looked for there is lost as one is that builds:
// told of once at its first silence, and the job that waits goes to another at no cost.
func TestNodeThatStandsStillWhileSpaceIsLookedFor(t *testing.T) {
	for _, call := range []nodetest.Call{nodetest.Deleting, nodetest.Listing} {
		for nth := range 3 {
			t.Run(fmt.Sprintf("%s %d", call, nth+1), func(t *testing.T) {
				inMemory(t, func(t *testing.T) {
					one, two := nodetest.New("one", 0), nodetest.New("two", 0)
					s := newStage(t, 2, 12, one, two)
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

// Where the node that is asked what the builds will do stands still, another is asked about
// the rest; where there is none, that is found out when they are built.
func TestNodeThatStandsStillWhileItIsAsked(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		inMemory(t, func(t *testing.T) {
			daemons := []*nodetest.Daemon{nodetest.New("one", 5000*mb), nodetest.New("two", 5000*mb)}[:nodes]
			s := newStage(t, 2, 4, daemons...)
			daemons[0].StopAt(nodetest.Asking, 3)
			if nodes == 1 {
				time.AfterFunc(3*time.Minute, daemons[0].Continue)
			}
			start := time.Now()
			s.allBuilt(s.run(t.Context()), 1)
			if took := time.Since(start); took > 7*time.Minute {
				t.Errorf("on %d nodes it took %s", nodes, took)
			}
			w := of[journal.Warning](s)
			// With another to ask, the node may be lost before it is warned of.
			warned := len(w) > 0 && strings.Contains(w[0].Message, "one does not answer while it is found out what the builds will do")
			if lost := of[journal.BuilderLost](s); !warned && (nodes == 1 || len(lost) == 0) {
				t.Errorf("on %d nodes the warnings are %+v, lost %+v", nodes, w, lost)
			}
			if unknown := strings.Contains(fmt.Sprint(w), "did not tell what"); unknown != (nodes == 1) {
				t.Errorf("on %d nodes it is not known what all do: %+v", nodes, w)
			}
		})
	}
}

// A node that freezes as soon as it is asked is lost then and there: it gets no jobs, none
// is known by it, and the other builds meanwhile.
func TestNodeThatFreezesAsItIsAsked(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 5000*mb), nodetest.New("two", 5000*mb)
		s := newStage(t, 2, 6, one, two)
		one.StopAt(nodetest.Asking, 1)
		start := time.Now()
		sum := s.run(t.Context())
		s.allBuilt(sum, 1)
		first := start.Add(time.Hour)
		for _, e := range s.Ledger.Entries() {
			if e.StartedAt.Before(first) {
				first = e.StartedAt.Time
			}
		}
		if waited := first.Sub(start); waited > 40*time.Second {
			t.Errorf("the first job began after %s", waited)
		}
		for _, e := range of[journal.JobStarted](s) {
			if e.Node != "two" {
				t.Errorf("%s was begun on %s", e.Job, e.Node)
			}
		}
		if lost := of[journal.BuilderLost](s); len(lost) != 1 || lost[0].Node != "one" || sum.Nodes[0].Losses != 1 {
			t.Errorf("lost were %+v", lost)
		}
		w := of[journal.Warning](s)
		if len(w) > 1 || strings.Contains(fmt.Sprint(w), "did not tell") {
			t.Errorf("warnings: %+v", w)
		}
	})
}

// A node's silence says nothing of jobs: those of which it did not tell since it stood still
// are asked about again, and count as unknown meanwhile.
func TestJobsOfWhichANodeWasSilent(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 1, 4, nodetest.New("one", 5000*mb))
		s.Options.Graphs = &silentFirst{of: s.Builder}
		s.allBuilt(s.run(t.Context()), 1)
		if w := of[journal.Warning](s); len(w) > 0 {
			t.Errorf("warnings: %+v", w)
		}
		if told := of[journal.Surveying](s); len(told) == 0 || told[0].Known != 0 {
			t.Errorf("it was told: %+v", told)
		}
	})
}

// silentFirst tells of no job when it is asked for the first time, since the daemon stood
// still for a while.
type silentFirst struct {
	of    Graphs
	asked bool
}

func (s *silentFirst) Graphs(ctx context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) error {
	if s.asked {
		return s.of.Graphs(ctx, jobs, found)
	}
	s.asked = true
	for _, job := range jobs {
		found(job, graph.Graph{}, &builder.SilentError{})
	}
	time.Sleep(3 * time.Second)
	return nil
}

// Space is not looked for any longer on a node that was lost by others: the job that waits
// for it moves away.
func TestLookingForSpaceEndsWithItsNode(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 1, 1, nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb))
		r := newRun(s.Options)
		r.openNodes(t.Context())
		defer r.closeNodes(t.Context())
		p := r.scheduler.places[1]
		waits := &task{job: s.Plan.Jobs[0], on: []*place{p}, home: p}
		var why error
		p.head, p.admitting, p.lost, p.giveWay = waits, true, true, func(err error) { why = err }
		r.scheduler.moveAway(p)
		if why == nil {
			t.Fatal("it goes on")
		}
		p.pool.take()
		r.scheduler.admitted(t.Context(), p, waits, nil, why)
		if p.head != nil || waits.home == p || len(r.scheduler.queue) != 1 {
			t.Errorf("its head %v, the job's home %v, %d in the queue", p.head, waits.home, len(r.scheduler.queue))
		}
	})
}
