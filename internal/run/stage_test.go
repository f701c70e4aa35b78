package run

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/sweep"
)

const mb = 1_000_000

// stage is a run on daemons in memory, in no time.
type stage struct {
	*nodetest.Builder
	Options
	t   *testing.T
	out string // the output directory

	mu     sync.Mutex // guards events
	events []journal.Event
}

// newStage has some projects of so many jobs each, on daemons with these disks: each image
// has a layer of its own on that of its project on one of all, of 100 MB each, and a job adds
// 50 MB. A layer or a step takes 10 s.
func newStage(t *testing.T, projects, each int, daemons ...*nodetest.Daemon) *stage {
	t.Helper()
	s := &stage{t: t, out: filepath.Join(t.TempDir(), "out"), Builder: &nodetest.Builder{Daemons: daemons, Layer: 100 * mb, Own: 50 * mb, Takes: 10 * time.Second}}
	p := &plan.Plan{BatchSize: 5}
	for i := range projects {
		for j := range each {
			p.Jobs = append(p.Jobs, nodetest.Job(fmt.Sprintf("job-%d-%d", i, j), fmt.Sprintf("os/project%d/image%d-%d", i, i, j)))
		}
	}
	s.Options = Options{Plan: p, Builder: s.Builder, Graphs: s.Builder, BuilderName: "fake", Journal: journal.New(), Workers: 2, MaxFailures: -1, Order: OrderShared, PullAhead: true,
		AttemptOptions: AttemptOptions{Retries: 2, RetriesStep: 1, RetryDelay: time.Second, RetryDelayMax: time.Minute, StallTimeout: 5 * time.Minute},
		Registries:     RegistryOptions{Pause: time.Second, Wait: time.Hour},
		Recovery:       &recovery.Turns{Path: filepath.Join(t.TempDir(), "lock"), Interval: time.Minute},
		Prune:          node.PruneOptions{Policy: node.PruneAuto, By: sweep.ByLineage, Pause: time.Second, Timeout: 5 * time.Minute},
		Space:          node.SpaceOptions{High: 90, Low: 70, Wait: time.Minute},
		DiskOf: func(path string) (builder.Disk, error) {
			i := slices.IndexFunc(daemons, func(d *nodetest.Daemon) bool { return strings.HasPrefix(path, "/"+d.Name()) })
			return daemons[i].DiskOf(path)
		}}
	for _, d := range daemons {
		d.Builder = s.Builder
		s.Nodes = append(s.Nodes, d)
	}
	return s
}

// late is a daemon that answers for the first time after a while, or, with an error, never.
type late struct {
	*nodetest.Daemon
	after time.Duration
	err   error
}

func (late) Why() string { return "connection refused" }

func (l late) Await(ctx context.Context) (Node, error) {
	select {
	case <-time.After(l.after):
		return l.Daemon, l.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// comesLate has the last daemon not be there at the start.
func (s *stage) comesLate(after time.Duration, err error) {
	n := len(s.Daemons) - 1
	s.Nodes, s.Late = s.Nodes[:n], []Late{late{s.Daemons[n], after, err}}
}

// run runs it to its end.
func (s *stage) run(ctx context.Context) ledger.Summary {
	s.t.Helper()
	record, resumed, err := ledger.Start(s.out, ledger.StartOptions{Now: time.Now(), Mode: ledger.Resume, Plan: s.planID()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer record.Close()
	s.Ledger, s.Resume.Kept = record, resumed.Entries
	told := s.Journal.Subscribe(journal.Everything, func(_ time.Time, e journal.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	})
	summary, err := Run(ctx, s.Options)
	if err != nil {
		s.t.Error(err)
	}
	if err := told.Close(time.Minute); err != nil {
		s.t.Error(err)
	}
	return summary
}

// planID is what a record knows of the plan.
func (s *stage) planID() (id ledger.PlanID) {
	for _, job := range s.Plan.Jobs {
		id.Jobs = append(id.Jobs, ledger.PlanJob{Name: job.Name, Base: job.Base, Tags: job.Tags})
	}
	return id
}

// of returns the events of a kind.
func of[E journal.Event](s *stage) (list []E) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e, is := e.(E); is {
			list = append(list, e)
		}
	}
	return list
}

// allBuilt checks that all jobs were built, each by so many attempts that count.
func (s *stage) allBuilt(sum ledger.Summary, attempts int) {
	s.t.Helper()
	if sum.Built != len(s.Plan.Jobs) || sum.StopReason != "" {
		s.t.Errorf("%d of %d built, stopped for %q: %v", sum.Built, len(s.Plan.Jobs), sum.StopReason, of[journal.Warning](s))
	}
	for _, e := range s.Ledger.Entries() {
		if e.AttemptCount != attempts {
			s.t.Errorf("%s took %d attempts that count, want %d", e.Name, e.AttemptCount, attempts)
		}
	}
	if removed := sum.Prune.LiveRemovedRecords; removed > 0 {
		s.t.Errorf("%d records were removed unasked", removed)
	}
}

// inMemory runs a test with a clock of its own.
func inMemory(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// slowly tells what jobs do one after the other, in another order than theirs.
type slowly struct {
	of   Graphs
	each time.Duration
	take int // every so many-th first
}

func (s slowly) Graphs(ctx context.Context, jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) error {
	for first := range s.take {
		for i := first; i < len(jobs); i += s.take {
			time.Sleep(s.each)
			if err := s.of.Graphs(ctx, jobs[i:i+1], found); err != nil {
				return err
			}
		}
	}
	return nil
}
