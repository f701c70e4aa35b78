package sweep_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/sweep"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// fixture is a real daemon with a few images' records on it, all of which are
// dead.
type fixture struct {
	daemon *lab.Buildkitd
	node   *builder.Node
	bases  []lab.Base
}

func newFixture(t *testing.T, images int) *fixture {
	t.Helper()
	registry := labtest.Registry(t)
	f := &fixture{daemon: labtest.Buildkitd(t, registry)}
	f.bases = labtest.Bases(t, registry, lab.Shape{Instances: lab.Instances(1, images), EnvBytes: 1000, OwnBytes: 1000})
	agent := labtest.Builder(t, registry)
	dir := labtest.Agent(t, lab.Agent{OwnCacheBytes: 1 << 10})
	for _, b := range f.bases {
		args := map[string]string{"BASE_IMAGE": b.Ref, "BUILDER_IMAGE": agent.Ref}
		if err := f.daemon.Build(t.Context(), lab.Build{Dir: dir, Args: args}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := builder.Connect(t.Context(), builder.Options{Names: []string{f.daemon.Addr()}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	f.node = b.Nodes()[0]
	if f.node.Root() != f.daemon.Root() {
		t.Errorf("the daemon's root is %q, found %q", f.daemon.Root(), f.node.Root())
	}
	return f
}

// allDead is the view of a run that is over and made everything.
func allDead(records []cache.Record) cache.View {
	return cache.View{Records: records, Needs: cache.NewNeeds(nil), Owner: cache.Exclusive}
}

// sweeps collects what a sweeper tells.
type sweeps struct {
	mu   sync.Mutex
	done []sweep.Sweep
}

func (s *sweeps) finished(w sweep.Sweep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, w)
}

func (s *sweeps) last() sweep.Sweep {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done[len(s.done)-1]
}

func start(t *testing.T, f *fixture, timeout time.Duration, view func([]cache.Record) cache.View) (*sweep.Sweeper, *sweeps) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told := &sweeps{}
	s := sweep.Start(ctx, sweep.Options{Node: f.node, View: view, By: sweep.ByLineage,
		Pause: 250 * time.Millisecond, Timeout: timeout, Finished: told.finished})
	t.Cleanup(func() {
		cancel()
		s.Wait()
	})
	return s, told
}

func TestSweepRemovesAllThatIsDead(t *testing.T) {
	f := newFixture(t, 4)
	s, told := start(t, f, time.Minute, allDead)
	s.Drain(t.Context())
	w := told.last()
	if w.Err != nil || w.Dead.Records == 0 || w.Removed != w.Dead || w.Astray.Records != 0 {
		t.Errorf("sweep %+v", w)
	}
	records, err := f.node.Records(t.Context())
	if err != nil || len(records) != 0 {
		t.Errorf("%d records are left (%v)", len(records), err)
	}
	s.Drain(t.Context()) // removes nothing
	c := s.Counts()
	if c.Removed != w.Removed || c.Left.Records != 0 || c.EndBytes != 0 || c.PeakBytes == 0 || c.Sweeps != 2 || c.Removing != 1 {
		t.Errorf("counts %+v", c)
	}
}

// A daemon that hangs or dies, before it lists its records or before it removes
// them, ends that sweep and no other: what is dead goes with the next.
func TestDaemonIsLostInASweep(t *testing.T) {
	hangs := func(d *lab.Buildkitd) (lose func() error, back func(context.Context) error) {
		return d.Pause, func(context.Context) error { return d.Resume() }
	}
	dies := func(d *lab.Buildkitd) (lose func() error, back func(context.Context) error) {
		return d.Kill, d.Restart
	}
	for _, tt := range []struct {
		name    string
		listed  bool // before it was lost
		fault   func(*lab.Buildkitd) (func() error, func(context.Context) error)
		timeout time.Duration // of the sweep: ends one that hangs, and leaves a busy machine time to list
	}{
		{"hangs, listing", false, hangs, time.Second},
		{"hangs, removing", true, hangs, 15 * time.Second},
		{"dies, listing", false, dies, time.Minute},
		{"dies, removing", true, dies, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			f := newFixture(t, 2)
			lose, back := tt.fault(f.daemon)
			view := allDead
			if tt.listed {
				view = func(records []cache.Record) cache.View {
					if err := lose(); err != nil {
						t.Error(err)
					}
					view = allDead
					return allDead(records)
				}
			} else if err := lose(); err != nil {
				t.Fatal(err)
			}
			s, told := start(t, f, tt.timeout, func(records []cache.Record) cache.View { return view(records) })
			s.Drain(t.Context())
			w, c := told.last(), s.Counts()
			if w.Err == nil || w.Removed.Records != 0 || len(c.Failures) != 1 {
				t.Errorf("sweep of a lost daemon: %+v, counts %+v", w, c)
			}
			if (c.Left.Records > 0) != tt.listed {
				t.Errorf("%d records are known to be left", c.Left.Records)
			}
			if err := back(t.Context()); err != nil {
				t.Fatal(err)
			}
			// A connection that was refused is tried again after a second.
			if err := f.node.Recover(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			s.Timeout = time.Minute
			s.Drain(t.Context())
			w = told.last()
			// A daemon that hung may go on to remove what it was asked to, beside the sweep after it: one more
			// sees what both have left.
			s.Drain(t.Context())
			records, err := f.node.Records(t.Context())
			if c := s.Counts(); w.Err != nil || err != nil || len(records) > 0 || c.Left.Records != 0 {
				t.Errorf("%d records are left (%v) after the sweep %+v, counts %+v", len(records), err, w, c)
			}
		})
	}
}

// Asked for nothing, a daemon must remove nothing: a prune without filters
// would take everything.
func TestDeletingNothing(t *testing.T) {
	f := newFixture(t, 1)
	before, err := f.node.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := f.node.Delete(t.Context(), nil); err != nil || len(removed) != 0 {
		t.Errorf("deleting no ids removed %v (%v)", removed, err)
	}
	if removed, err := f.node.DeleteByDescription(t.Context(), nil); err != nil || len(removed) != 0 {
		t.Errorf("deleting no descriptions removed %v (%v)", removed, err)
	}
	if after, err := f.node.Records(t.Context()); err != nil || len(after) != len(before) {
		t.Errorf("%d of %d records are left (%v)", len(after), len(before), err)
	}
}

// Unlinked records are gone at once and their files with the next collection; so
// are the files of a step that failed.
func TestCollectFreesFiles(t *testing.T) {
	f := newFixture(t, 2)
	files := func() (n int) {
		entries, err := os.ReadDir(filepath.Join(f.daemon.Root(), "runc-overlayfs", "snapshots", "snapshots"))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if err := f.node.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := files()
	dir := t.TempDir()
	text := "FROM " + f.bases[0].Ref + "\nRUN echo > /file; exit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.daemon.Build(t.Context(), lab.Build{Dir: dir}); err == nil {
		t.Fatal("a step that fails was built")
	}
	if files() == kept {
		t.Fatal("the failed step left no files")
	}
	collected := func(what string, want int) {
		t.Helper()
		// BuildKit lets go of a step's files a moment after its build has ended.
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			if err := f.node.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := files(); got == want {
				return
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: %d snapshots, want %d", what, got, want)
			}
		}
	}
	collected("after a failed step", kept)

	records, err := f.node.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range cache.Classify(allDead(records)).Pick(cache.Policy{}) {
		ids = append(ids, r.ID)
	}
	removed, err := f.node.Unlink(t.Context(), ids)
	if err != nil || len(removed) != len(ids) {
		t.Errorf("unlinked %d of %d records (%v)", len(removed), len(ids), err)
	}
	if left, err := f.node.Records(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%d records are left (%v)", len(left), err)
	}
	collected("after unlinking", 0)
}

// The filter by description is exact on real records too: of two leaves with
// similar names, only the one that was meant goes.
func TestDescriptionFilterOnRealRecords(t *testing.T) {
	f := newFixture(t, 2)
	s, _ := start(t, f, time.Minute, allDead)
	// Without the records above them, the bases' own layers are leaves.
	records, err := f.node.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var above []string
	for _, r := range cache.Classify(allDead(records)).Pick(cache.Policy{}) {
		if !strings.HasPrefix(r.Description, "pulled from") {
			above = append(above, r.ID)
		}
	}
	if _, err := f.node.Delete(t.Context(), above); err != nil {
		t.Fatal(err)
	}
	name := f.bases[1].Ref
	removed, err := f.node.DeleteByDescription(t.Context(), []string{name[:len(name)-1]})
	if err != nil || len(removed) == 0 {
		t.Fatalf("removed %v (%v)", removed, err)
	}
	for _, r := range removed {
		if !strings.Contains(r.Description, name) {
			t.Errorf("removed %s", r.Description)
		}
	}
	similar := strings.Replace(name, "_", ".", 1)
	if removed, err := f.node.DeleteByDescription(t.Context(), []string{similar + "x", strings.ToUpper(f.bases[0].Ref)}); err != nil || len(removed) != 0 {
		t.Errorf("similar names removed %v (%v)", removed, err)
	}
	s.Drain(t.Context())
}
