package run

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/redact"
)

// Forty images are built on a disk that holds a handful, and no layer is pulled twice.
func TestRunOnASmallDisk(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 1500*mb)
		s := newStage(t, 4, 10, d)
		s.allBuilt(s.run(t.Context()), 1)
		if all, different := d.Pulls(); all != different || different != 1+4+40 {
			t.Errorf("%d layers were pulled, %d of them different", all, different)
		}
		if full := of[journal.DiskFull](s); len(full) > 0 {
			t.Errorf("the disk was full: %+v", full)
		}
		if most := s.Most("one"); most != 2 {
			t.Errorf("%d jobs ran at once, want 2", most)
		}
	})
}

// A budget holds from the first jobs on, of which nothing tells how much they add: one goes ahead.
func TestBudgetHoldsForTheFirstJobs(t *testing.T) {
	const budget = 700 * mb
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 0)
		s := newStage(t, 1, 10, d)
		s.Space.Budget, s.Workers, s.Layer, s.Own = budget, 4, 10*mb, 200*mb
		s.allBuilt(s.run(t.Context()), 1)
		if most := s.Most("one"); d.Peak() > budget || most < 2 {
			t.Errorf("the cache came to %d MB of %d, %d jobs ran at once", d.Peak()/mb, int64(budget/mb), most)
		}
	})
}

// Where jobs are sent ahead while others are asked about, those that still wait when all
// are known get better places: no project's layers are kept while another's are built.
func TestSentAheadOnASmallDisk(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 700*mb)
		s := newStage(t, 4, 10, d)
		s.Workers, s.Options.Graphs = 6, slowly{s.Builder, time.Second, 10}
		s.allBuilt(s.run(t.Context()), 1)
		if all, different := d.Pulls(); all != different || different != 1+4+40 {
			t.Errorf("%d layers were pulled, %d of them different", all, different)
		}
	})
}

// A sweep that makes room is told of where it found something, its start and its end.
func TestSweepsThatFindNothing(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 1, 10, nodetest.New("one", 800*mb))
		s.Workers = 4
		sum := s.run(t.Context())
		s.allBuilt(sum, 1)
		began, ended := of[journal.SweepStarted](s), of[journal.SweepFinished](s)
		if len(began) != len(ended) || len(ended) == 0 || len(ended) >= sum.Prune.Sweeps {
			t.Errorf("of %d sweeps the start of %d is told, and the end of %d", sum.Prune.Sweeps, len(began), len(ended))
		}
		for _, e := range ended {
			if e.DeadRecords == 0 && e.ReclaimedRecords == 0 {
				t.Errorf("nothing was found, and it is told: %+v", e)
			}
		}
	})
}

// A daemon that stops to answer holds up a run for as long as it is waited for, wherever
// that strikes, and no longer than until it is ended.
func TestDaemonThatStopsToAnswer(t *testing.T) {
	for name, when := range map[string]func(s *stage, d *nodetest.Daemon){
		"before the first listing": func(_ *stage, d *nodetest.Daemon) { d.Stop() },
		"during a job": func(s *stage, d *nodetest.Daemon) {
			time.AfterFunc(15*time.Second, d.Stop)
		},
		"after a job": func(s *stage, d *nodetest.Daemon) {
			s.Fail = func(job string, _ int) error {
				if job == "job-0-1" {
					d.Stop()
				}
				return nil
			}
		},
	} {
		t.Run(name+", for a while", func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				d := nodetest.New("one", 1500*mb)
				s := newStage(t, 1, 8, d)
				s.Space.Budget = 900 * mb
				when(s, d)
				time.AfterFunc(8*time.Minute, d.Continue)
				sum := s.run(t.Context())
				s.allBuilt(sum, 1)
				if len(of[journal.BuilderLost](s)) == 0 {
					t.Error("nobody is told that it was lost")
				}
				if n := sum.Recoveries[string(journal.MendBuilder)]; n != 1 {
					t.Errorf("it came back once, which counts as %d times: %+v", n, of[journal.Recovered](s))
				}
			})
		})
		t.Run(name+", for good", func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				d := nodetest.New("one", 1500*mb)
				s := newStage(t, 1, 8, d)
				s.Space.Budget = 900 * mb
				when(s, d)
				start := time.Now()
				sum := s.run(t.Context())
				if !strings.Contains(sum.StopReason, "the builder did not come back") {
					t.Errorf("%d built, stopped for %q after %s", sum.Built, sum.StopReason, time.Since(start))
				}
			})
		})
		t.Run(name+", and is left", func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				d := nodetest.New("one", 1500*mb)
				s := newStage(t, 1, 8, d)
				s.Space.Budget = 900 * mb
				when(s, d)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(2*time.Minute, func() { cancel(ErrInterrupted) })
				start := time.Now()
				if sum := s.run(ctx); !sum.Interrupted {
					t.Errorf("stopped for %q", sum.StopReason)
				}
				if took := time.Since(start) - 2*time.Minute; took > 15*time.Second {
					t.Errorf("it took %s to leave", took)
				}
			})
		})
	}
}

// A budget that cannot be read lifts no bound: the disk bounds as before, and jobs start
// one at a time.
func TestBudgetThatCannotBeRead(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 1500*mb)
		s := newStage(t, 1, 8, d)
		s.Space.Budget, s.Workers = 100_000*mb, 6
		s.Fail = func(job string, _ int) error {
			d.Unlisted(errors.New("it is confused")) // from the first job on
			return nil
		}
		sum := s.run(t.Context())
		if full := of[journal.DiskFull](s); len(full) > 0 || sum.Built == 0 {
			t.Errorf("%d built, the disk was full %d times", sum.Built, len(full))
		}
		unread := 0
		for _, w := range of[journal.Warning](s) {
			if strings.Contains(w.Message, "cannot be read") {
				unread++
			}
		}
		if unread != 1 {
			t.Errorf("it is said %d times that the budget cannot be read", unread)
		}
	})
}

// With the policy "completed" the cache is trimmed after a batch, others' records too
// where that is allowed.
func TestTrimAfterABatch(t *testing.T) {
	for policy, keep := range map[node.PrunePolicy]int64{node.PruneCompleted: 10 * mb, node.PruneOff: 10 * mb} {
		inMemory(t, func(t *testing.T) {
			d := nodetest.New("one", 5000*mb)
			for range 5 {
				d.Put("[2/2] RUN something else", 500*mb)
			}
			s := newStage(t, 1, 5, d)
			s.Prune.Policy, s.Prune.Threshold, s.Prune.KeepBytes, s.Prune.Foreign = policy, 20, keep, true
			s.allBuilt(s.run(t.Context()), 1)
			if left := d.Bytes(); left > keep {
				t.Errorf("%s: %d MB are left, want no more than %d", policy, left/mb, keep/mb)
			}
		})
	}
}

// A cache that is mended keeps no other job from building.
func TestMendingHoldsUpNobody(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 5000*mb)
		s := newStage(t, 1, 6, d)
		s.Workers, s.Retries, s.Order = 3, 1, OrderGiven
		s.Fail = func(job string, attempt int) error {
			switch {
			case job == "job-0-0":
				time.Sleep(time.Hour) // the longest of all
			case job == "job-0-1" && attempt == 1:
				return errors.New("failed to get edge: blob sha256:0123 not found") // the last way of mending follows
			}
			return nil
		}
		s.StallTimeout = 2 * time.Hour
		s.run(t.Context())
		var last time.Time
		for _, e := range s.Ledger.Entries() {
			if e.Name != "job-0-0" && e.FinishedAt.After(last) {
				last = e.FinishedAt.Time
			}
		}
		first := s.Ledger.Entries()[0].StartedAt
		if took := last.Sub(first.Time); took > 30*time.Minute || s.Attempts("job-0-1") != 2 {
			t.Errorf("the others took %s, and %d attempts were made at the job whose cache is broken", took, s.Attempts("job-0-1"))
		}
	})
}

// What nobody asked for stays: another's records are on the disk, however tight it is.
func TestOthersRecordsStay(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 1700*mb)
		d.Put("mount / from exec job-0-1", 300*mb) // has the same step
		s := newStage(t, 1, 12, d)
		s.Prune.Owner = cache.Shared
		s.allBuilt(s.run(t.Context()), 1)
		records, err := d.Records(t.Context())
		if err != nil || !slices.ContainsFunc(records, func(r cache.Record) bool { return strings.Contains(r.ID, "other") }) {
			t.Errorf("it is gone, of %d records (%v)", len(records), err)
		}
	})
}

// The very step of a job, made by somebody else before the run, is theirs: it stays, and so
// does what it stands on.
func TestOthersSameStepStays(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 5000*mb)
		s := newStage(t, 1, 6, d)
		s.Prune.Owner, s.Prune.Policy = cache.Shared, node.PruneCompleted
		if _, err := s.Build(t.Context(), []string{"one"}, s.Plan.Jobs[1], io.Discard, builder.Watch{Graph: func(graph.Graph) {}, Made: func(cache.Making) {}, Step: func(string) {}, Alive: func() {}}); err != nil {
			t.Fatal(err)
		}
		before, _ := d.Records(t.Context())
		time.Sleep(time.Hour)
		s.allBuilt(s.run(t.Context()), 1)
		after, _ := d.Records(t.Context())
		for _, r := range before {
			if !slices.ContainsFunc(after, func(a cache.Record) bool { return a.ID == r.ID }) {
				t.Errorf("%q is gone", r.Description)
			}
		}
	})
}

// A run that waits for nothing that will come says so instead of standing still.
func TestRunThatIsStuck(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 1, 1, nodetest.New("one", 1500*mb))
		r := newRun(s.Options)
		ctx, cancel := context.WithCancelCause(t.Context())
		r.cancel = cancel
		r.openNodes(ctx)
		defer r.closeNodes(ctx)
		stuck := &task{job: s.Plan.Jobs[0], family: family{after: []*task{{job: s.Plan.Jobs[0]}}}}
		r.scheduler.loop(ctx, func() { r.scheduler.call(func() { r.scheduler.enqueue(stuck) }) })
		if err := context.Cause(ctx); err == nil || !strings.Contains(err.Error(), "mistake in Stoker") || !strings.Contains(err.Error(), "job-0-0") {
			t.Errorf("it ends with %v", err)
		}
	})
}

// A secret that a credential helper gives during the run is in no resume command.
func TestResumeCommandKnowsLateSecrets(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		const secret = "it's-given-late"
		s := newStage(t, 1, 8, nodetest.New("one", 1500*mb))
		s.Redact = redact.New()
		s.Resume.Command = func() string { return "stoker build --label k=" + s.Redact.String(secret) + " --resume" }
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Second, func() { s.Redact.Add(secret) })
		time.AfterFunc(45*time.Second, func() { cancel(ErrInterrupted) })
		sum := s.run(ctx)
		record, err := ledger.Look(s.Ledger.Dir())
		if err != nil {
			t.Fatal(err)
		}
		const want = "stoker build --label k=[redacted] --resume"
		told := of[journal.RunFinished](s)[0].Summary.ResumeCommand
		for where, command := range map[string]string{"summary": sum.ResumeCommand, "event": told, "summary.json": record.Summary.ResumeCommand, "run.json": record.Run.ResumeCommand} {
			if command != want {
				t.Errorf("%s has the command %q", where, command)
			}
		}
	})
}

// Reasons to stop are told as they are, and what was cut short has no entry.
func TestInterrupted(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		s := newStage(t, 1, 8, nodetest.New("one", 1500*mb))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(45*time.Second, func() { cancel(ErrInterrupted) })
		sum := s.run(ctx)
		names := map[string]bool{}
		for _, e := range s.Ledger.Entries() {
			names[e.Name] = e.Status == ledger.Built
		}
		if !sum.Interrupted || sum.Built != 2 || sum.Failed != 0 || len(names) != 2 || slices.Contains(slices.Collect(maps.Values(names)), false) {
			t.Errorf("%d built, %d failed, on record %v", sum.Built, sum.Failed, names)
		}
		if sum.Prune.Left == nil || sum.Cache.EndBytes == nil || *sum.Cache.EndBytes == 0 {
			t.Errorf("a node that answers was not looked at in the end: prune %+v, cache %+v", sum.Prune, sum.Cache)
		}
	})
}

// Of a node that an interrupt kept from being looked at, nothing is known.
func TestInterruptedBeforeTheFirstLook(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 1500*mb)
		s := newStage(t, 1, 2, d)
		d.Stop()
		defer d.Continue()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(ErrInterrupted) })
		sum := s.run(ctx)
		if !sum.Interrupted || sum.Cache != nil || sum.Prune.Left != nil {
			t.Errorf("cache %+v, prune %+v", sum.Cache, sum.Prune)
		}
		if warnings := of[journal.Warning](s); len(warnings) > 0 {
			t.Errorf("warned of what is none of the node's fault: %+v", warnings)
		}
		if page := sum.Markdown(false, ""); !strings.Contains(page, "| Cache at start, peak, end | unknown |") {
			t.Error(page)
		}
	})
}
