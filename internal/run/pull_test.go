package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// Whatever the disk and the workers: with what is pulled ahead a run takes no longer than
// without, nothing is pulled twice, and no disk is full. With room, most jobs find their
// layers there.
func TestPullAheadIsNeverSlower(t *testing.T) {
	for _, disk := range []int64{700, 1500, 5000} {
		for _, workers := range []int{1, 4} {
			took := map[bool]float64{}
			for _, ahead := range []bool{false, true} {
				inMemory(t, func(t *testing.T) {
					d := nodetest.New("one", disk*mb)
					s := newStage(t, 4, 6, d)
					s.Workers, s.PullAhead, s.Space.Rates.Own = workers, ahead, 50*mb
					sum := s.run(t.Context())
					s.allBuilt(sum, 1)
					took[ahead] = sum.WallClockSeconds
					if all, different := d.Pulls(); all != different {
						t.Errorf("%d MB, %d workers: %d layers were pulled, %d of them different", disk, workers, all, different)
					}
					if full := of[journal.DiskFull](s); len(full) > 0 {
						t.Errorf("%d MB, %d workers: the disk was full: %+v", disk, workers, full)
					}
					if n := d.Aheads(); ahead && disk == 5000 && n < 24-2*workers || !ahead && n > 0 {
						t.Errorf("%d MB, %d workers: %d jobs were pulled for ahead", disk, workers, n)
					}
				})
			}
			if took[true] > took[false] || disk == 5000 && took[true] == took[false] {
				t.Errorf("%d MB, %d workers: %.0f s with what is pulled ahead, %.0f without", disk, workers, took[true], took[false])
			}
		}
	}
}

// Pulls that fail cost no job anything, and one warning when they always do.
func TestPullsThatAlwaysFail(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 5000*mb)
		d.FailPulls = func() error { return errors.New("unexpected status: 500") }
		s := newStage(t, 4, 6, d)
		start := time.Now()
		s.allBuilt(s.run(t.Context()), 1)
		warnings, most := of[journal.Warning](s), vainPulls+mostPulls+mostPulls*int(time.Since(start)/pullsRest)
		if len(warnings) != 1 || !strings.Contains(warnings[0].Message, "nothing is pulled ahead on one for now") || d.Aheads() > most {
			t.Errorf("after %d pulls, of %d at most: %+v", d.Aheads(), most, warnings)
		}
	})
}

// A registry that does not answer for a moment does not end pulling ahead for the rest of the run.
func TestPullsThatFailForAWhile(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 50000*mb)
		start := time.Now()
		d.FailPulls = func() error {
			if time.Since(start) < 2*time.Minute {
				return errors.New("connection refused")
			}
			return nil
		}
		s := newStage(t, 20, 6, d)
		s.allBuilt(s.run(t.Context()), 1)
		pulled := slices.DeleteFunc(of[journal.PullFinished](s), func(e journal.PullFinished) bool { return !e.Pulled })
		if warnings := of[journal.Warning](s); len(warnings) != 1 || len(pulled) < 20 {
			t.Errorf("%d pulls in %s: %+v", len(pulled), time.Since(start), warnings)
		}
	})
}

// An interrupted run does not wait for what it pulls.
func TestInterruptEndsPulls(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 5000*mb)
		s := newStage(t, 4, 6, d)
		s.Takes, s.StallTimeout = time.Hour, 0
		ctx, interrupt := context.WithCancelCause(t.Context())
		time.AfterFunc(90*time.Minute, func() { interrupt(ErrInterrupted) })
		start := time.Now()
		sum := s.run(ctx)
		if took := time.Since(start); !sum.Interrupted || took > 91*time.Minute || len(of[journal.PullStarted](s)) == 0 {
			t.Errorf("after %s, with %d pulls begun: %+v", took, len(of[journal.PullStarted](s)), sum)
		}
		if begun, ended := of[journal.PullStarted](s), of[journal.PullFinished](s); len(begun) != len(ended) {
			t.Errorf("of %d pulls the end of %d is told", len(begun), len(ended))
		}
	})
}

// Builds and their exports wait for no sweep: while one removal takes hours, all is built.
func TestBuildsWaitForNoSweep(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		d := nodetest.New("one", 0)
		d.DeleteTakes = 24 * time.Hour
		s := newStage(t, 4, 6, d)
		s.Prune.Policy, s.Prune.Timeout = "completed", 48*time.Hour
		var last atomic.Int64 // nanoseconds after the start
		start := time.Now()
		s.Fail = func(string, int) error {
			last.Store(int64(time.Since(start)))
			return nil
		}
		s.allBuilt(s.run(t.Context()), 1)
		built := time.Duration(last.Load())
		if swept := of[journal.SweepStarted](s); built > time.Hour || len(swept) == 0 {
			t.Errorf("the last was built after %s, with %d sweeps", built, len(swept))
		}
	})
}

// Nothing is pulled for what leaves its base where it is, or is built on others' images.
func TestWhatAJobPulls(t *testing.T) {
	known := graph.Image{Ref: "base@sha256:0", Digest: "sha256:0", Layers: []graph.ID{{1}}}
	unknown := graph.Image{Ref: "other", Unknown: true}
	for name, tt := range map[string]struct {
		change func(*task)
		want   int
	}{
		"a usual one":                  {func(*task) {}, 1},
		"one that lays layers upon it": {func(t *task) { t.known.linked = true }, 0},
		"an heir":                      {func(t *task) { t.after = []*task{{}} }, 0},
		"one of which nothing is told": {func(t *task) { t.known.images = nil }, 0},
		"a registry out of reach":      {func(t *task) { t.known.unreached = time.Now() }, 0},
	} {
		task := &task{job: nodetest.Job("job", "base")}
		task.known.images = []graph.Image{known, unknown}
		if tt.change(task); len(pullsOf(task).Images) != tt.want {
			t.Errorf("%s: %d images", name, len(pullsOf(task).Images))
		}
	}
}
