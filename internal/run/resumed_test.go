package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// shares has a stage's daemons be used by others, too, and whose their records are be known from run to run.
func (s *stage) shares() {
	s.Prune.Owner, s.Attributions = cache.Shared, ledger.Attributions{Dir: s.t.TempDir()}
}

// stopAfter runs it, and interrupts it after a while.
func (s *stage) stopAfter(while time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithCancelCause(s.t.Context())
	defer time.AfterFunc(while, func() { cancel(ErrInterrupted) }).Stop()
	if sum := s.run(ctx); !sum.Interrupted || sum.Built == 0 {
		s.t.Fatalf("%d built, stopped for %q", sum.Built, sum.StopReason)
	}
}

// What jobs made before a run was resumed is kept for those that are built on it, and
// counts as theirs, as in one go.
func TestHeirsOfAResumedRun(t *testing.T) {
	const budget = 1200 * mb
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 0)
		s := newFamilies(t, 6, 4, d)
		s.shares()
		s.Space.Budget, s.Workers, s.Order = budget, 3, OrderGiven
		s.Space.Rates.Own = 50 * mb // else one job goes ahead
		s.stopAfter(48 * time.Second)
		if kept := len(s.Ledger.Entries()); kept != 6 {
			t.Fatalf("%d jobs were built before, want the 6 bases", kept)
		}
		s.allBuilt(s.run(t.Context()), 1)
		if all, different := d.Pulls(); all != 7 || different != 7 {
			t.Errorf("%d layers were pulled, %d different ones, want 7: one of all, and one of each base", all, different)
		}
		if d.Peak() > budget {
			t.Errorf("the cache came to %d MB, with a budget of %d", d.Peak()/mb, int64(budget/mb))
		}
	})
}

// A run that is resumed with nothing left to build sweeps what it has made, where that is
// asked for, and calls it nobody else's.
func TestResumedWithNothingLeft(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 5000*mb)
		d.Put("[2/2] RUN something else", 10*mb)
		s := newFamilies(t, 2, 2, d)
		s.shares()
		s.allBuilt(s.run(t.Context()), 1)
		for _, policy := range []node.PrunePolicy{node.PruneAuto, node.PruneCompleted} {
			s.Prune.Policy, s.Space.Budget = policy, 1000*mb
			s.run(t.Context())
		}
		if left := d.Bytes(); left != 10*mb {
			t.Errorf("%d MB are left, want what another has made", left/mb)
		}
		if i := slices.IndexFunc(of[journal.Warning](s), func(w journal.Warning) bool { return strings.Contains(w.Message, "not this run's") }); i >= 0 {
			t.Error(of[journal.Warning](s)[i].Message)
		}
	})
}

// having is a registry that has one image.
type having string

func (h having) Exists(_ context.Context, tag string) (digest string, exists bool, err error) {
	return "sha256:0", tag == string(h), nil
}

// A batch of a resumed run counts as skipped what was skipped before.
func TestBatchOfAResumedRun(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 1, 3, nodetest.New("one", 5000*mb))
		s.Workers, s.Order, s.Registries.Tags = 1, OrderGiven, having("r.example/0:1")
		for i, job := range s.Plan.Jobs {
			job.Tags = []string{fmt.Sprintf("r.example/%d:1", i)}
			job.Options.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"push": "true"}}}
		}
		s.stopAfter(48 * time.Second)
		sum := s.run(t.Context())
		batches := of[journal.BatchFinished](s)
		if last := batches[len(batches)-1]; sum.KeptBuilt != 1 || sum.KeptSkipped != 1 || last.Built != 2 || last.Skipped != 1 {
			t.Errorf("%d built and %d skipped before; the batch is %+v", sum.KeptBuilt, sum.KeptSkipped, last)
		}
	})
}
