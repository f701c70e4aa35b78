package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/plan"
)

// newFamilies has so many images, on each of which so many are built.
func newFamilies(t *testing.T, families, heirs int, daemons ...*nodetest.Daemon) *stage {
	t.Helper()
	s := newStage(t, 0, 0, daemons...)
	for _, generation := range []string{"base", "heir"} {
		for i := range families {
			base := nodetest.Job(fmt.Sprintf("base-%d", i), fmt.Sprintf("os/project%d", i))
			if generation == "base" {
				s.Plan.Jobs = append(s.Plan.Jobs, base)
				continue
			}
			for j := range heirs {
				s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Job(fmt.Sprintf("heir-%d-%d", i, j), base.Tags[0]))
			}
		}
	}
	return s
}

// What a job has made is kept for those that are built on it, and taken into account as
// theirs: nothing is pulled again, and no more is used than may be.
func TestHeirs(t *testing.T) {
	const budget = 600 * mb
	for _, told := range []string{"at once", "late"} {
		t.Run(told, func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				d := nodetest.New("one", 0)
				s := newFamilies(t, 8, 2, d)
				s.Space.Budget, s.Workers = budget, 4
				if told == "late" {
					s.Options.Graphs = onlyBefore{s.Builder, time.Now().Add(time.Second)}
				}
				sum := s.run(t.Context())
				s.allBuilt(sum, 1)
				if sp := sum.Space; sp.LeastBytes == nil || *sp.LeastBytes > sp.PeakBytes || *sp.LeastBytes < 300*mb {
					t.Errorf("with %d MB at most, they say of what is needed at least: %+v", sp.PeakBytes/mb, sp)
				}
				if all, different := d.Pulls(); all != 9 || different != 9 {
					t.Errorf("%d layers were pulled, %d different ones, want 9: one of all, and one of each base", all, different)
				}
				if told == "at once" && d.Peak() > budget {
					t.Errorf("the cache came to %d MB, with a budget of %d", d.Peak()/mb, int64(budget/mb))
				}
			})
		})
	}
}

// onlyBefore tells nothing of jobs any more after some time.
type onlyBefore struct {
	graphs Graphs
	end    time.Time
}

func (g onlyBefore) Graphs(ctx context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) error {
	if time.Now().After(g.end) {
		return errors.New("it does not answer")
	}
	return g.graphs.Graphs(ctx, jobs, found)
}

// Heirs are built where their base was.
func TestHeirsStayWithTheirBase(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 1500*mb), nodetest.New("two", 1500*mb)
		s := newFamilies(t, 3, 1, one, two)
		s.Workers = 1
		s.allBuilt(s.run(t.Context()), 1)
		at := map[string]string{}
		moved := 0
		for _, e := range of[journal.JobStarted](s) {
			at[e.Job] = e.Node
			if base := fmt.Sprintf("base-%c", e.Job[len("heir-")]); e.Job != base && e.Node != at[base] {
				moved++
			}
		}
		if moved > 0 {
			t.Errorf("%d of 3 heirs were built elsewhere than their base", moved)
		}
	})
}

// chain has so many images, each built on the one before.
func (s *stage) chain(names ...string) {
	base := "os/" + names[0]
	for _, name := range names {
		job := nodetest.Job(name, base)
		s.Plan.Jobs, base = append(s.Plan.Jobs, job), job.Tags[0]
	}
}

// An heir that does not fit even beside nothing else is tried anyway. To remove its own base
// before would not help: that is pulled again then, and takes as much.
func TestHeirThatCannotFit(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 0)
		s := newStage(t, 0, 0, d)
		s.chain("a", "b", "c", "d", "e") // 200 MB and 50 MB each
		s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Job("other", "os/other"))
		s.Space.Budget, s.Workers, s.Order = 420*mb, 1, OrderGiven
		sum := s.run(t.Context())
		s.allBuilt(sum, 1)
		if all, different := d.Pulls(); all != different {
			t.Errorf("%d layers were pulled, %d different ones", all, different)
		}
		if least := sum.Space.LeastBytes; d.Peak() != 450*mb || least == nil || *least != 450*mb {
			t.Errorf("the cache came to %d MB, want the 450 that the last heir needs; told of it %+v", d.Peak()/mb, sum.Space)
		}
		told := slices.ContainsFunc(of[journal.Warning](s), func(w journal.Warning) bool {
			return strings.Contains(w.Message, "it may not fit")
		})
		if !told {
			t.Errorf("nobody says that it may not fit: %v", of[journal.Warning](s))
		}
	})
}

// What is dead and held for a moment yet goes before what is needed later.
func TestDeadGoesBeforeLive(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 0)
		s := newStage(t, 0, 0, d)
		d.Lingers = 700 * time.Millisecond
		for i := range 3 {
			s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Job(fmt.Sprintf("a%d", i), fmt.Sprintf("os/one/a%d", i)), nodetest.Job(fmt.Sprintf("b%d", i), fmt.Sprintf("os/two/b%d", i)))
		}
		s.Space.Budget, s.Workers, s.Order = 460*mb, 1, OrderGiven
		s.allBuilt(s.run(t.Context()), 1)
		if all, different := d.Pulls(); all != different {
			t.Errorf("%d layers were pulled, %d different ones", all, different)
		}
		if d.Peak() > 460*mb {
			t.Errorf("the cache came to %d MB", d.Peak()/mb)
		}
	})
}
