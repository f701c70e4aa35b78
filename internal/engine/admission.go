package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/space"
	"github.com/stoker-build/stoker/internal/sweep"
)

// SpaceOptions bound what a run may use.
type SpaceOptions struct {
	// Budget bounds the bytes of the builder's cache; 0 does not.
	Budget int64
	// DiskPath is a path on the disk that holds the builder's cache; empty to
	// take the node's own root, where that can be seen.
	DiskPath string
	// High and Low are the watermarks in percent of the disk, or of Budget. No
	// job starts that would bring what is used above High; what is dead is
	// removed above Low.
	High, Low float64
	// Wait bounds how long a job waits for space that others took.
	Wait time.Duration
	// PreflightFree must be free when the run starts; 0 asks for nothing.
	PreflightFree int64
	// Rates are what jobs are expected to add, as far as that is known.
	Rates space.Rates
}

// gauge is one bound on what may be used.
type gauge struct {
	name  string // for people: what is bounded
	limit space.Limit
	used  func(ctx context.Context) (int64, error)
	cheap bool // to ask often
	// others are the bytes of used that are not the builder's cache: what was on the
	// disk when the run began.
	others int64
}

// budgetName is what the bound of --cache-budget is called.
const budgetName = "--cache-budget"

// admission decides when jobs start.
type admission struct {
	mu      sync.Mutex
	gauges  []gauge
	book    *space.Book
	jobs    map[int]space.Job
	looked  time.Time        // when last only to learn
	seen    map[int]bool     // jobs whose own records were seen
	changed chan struct{}    // closed and replaced when a job ends or space comes free
	peaks   map[string]int64 // the most seen in each gauge
	waits   int              // how often a job waited
	unread  map[string]bool  // gauges that could not be read when last asked
	tried   map[string]int64 // by gauge, the most that a job needed which was tried without room
}

func newAdmission(o SpaceOptions) *admission {
	return &admission{book: space.NewBook(space.NewSizes(o.Rates)), jobs: map[int]space.Job{}, seen: map[int]bool{},
		changed: make(chan struct{}), peaks: map[string]int64{}, unread: map[string]bool{}, tried: map[string]int64{}}
}

// know takes what tasks do.
func (a *admission) know(needs *cache.Needs, tasks []*task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	needs.Read(func(g *graph.Shared) {
		a.book.Know(g)
		for _, t := range tasks {
			a.jobs[t.index] = space.Job{Vertices: g.Path(t.index), Kind: t.job.Kind}
		}
	})
}

// addGauges sets the bounds: the budget, and the disk where it can be seen.
func (r *run) addGauges() {
	o := r.Space
	if o.Budget > 0 {
		r.room.bound(gauge{name: budgetName, limit: percentages(o.Budget, o.Low, 100), used: r.cacheBytes})
	}
	for _, path := range r.diskPaths() {
		disk, err := builder.DiskOf(path)
		if err != nil {
			r.warn("", "the disk of %s cannot be seen: %s", path, err)
			continue
		}
		r.noteOthers(disk)
		r.room.bound(gauge{name: "the disk of " + path, limit: percentages(disk.Used+disk.Free, o.Low, o.High),
			used: func(context.Context) (int64, error) {
				d, err := builder.DiskOf(path)
				return d.Used, err
			}, cheap: true, others: r.others})
		r.ballasts = append(r.ballasts, newBallast(path, disk))
	}
}

// tellUnseen says that nothing bounds the run before a disk is full.
func (r *run) tellUnseen() {
	if len(r.room.bounds()) > 0 || len(r.sweepers) == 0 || r.Prune.Policy == PruneOff {
		return
	}
	r.warn("", "%s", "the disk of "+strings.Join(nodeNames(r.Nodes), " and ")+" cannot be seen from here: once it is full, what is dead is removed "+
		"and no more is used than it held then; to keep it from filling, give --cache-budget, or --disk-path for a disk of this machine")
}

// boundByLevel bounds a run on a disk that cannot be seen, and that is full, by
// what the cache has come to.
func (r *run) boundByLevel(ctx context.Context) {
	if len(r.room.bounds()) > 0 {
		return
	}
	level, err := r.cacheBytes(ctx)
	if err != nil || level == 0 {
		return
	}
	limit := percentages(level, r.Space.Low, r.Space.High)
	if !r.room.boundFirst(gauge{name: "a full disk that cannot be seen", limit: limit, used: r.cacheBytes}) {
		return // by another job that the same full disk ended
	}
	r.warn("", "the builder's disk is full with %s of cache: no more than %s are used from now on", size(level), size(limit.High))
}

// bound adds a bound.
func (a *admission) bound(g gauge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gauges = append(a.gauges, g)
}

// boundFirst adds a bound where there is none yet, and tells whether it did.
func (a *admission) boundFirst(g gauge) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.gauges) > 0 {
		return false
	}
	a.gauges = append(a.gauges, g)
	return true
}

// bounds returns the bounds.
func (a *admission) bounds() []gauge {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.gauges)
}

// noteOthers remembers how much of the disk is not the builder's cache.
func (r *run) noteOthers(disk builder.Disk) {
	var cached int64
	for _, s := range r.sweepers {
		cached += s.Counts().StartBytes
	}
	r.others = max(disk.Used-cached, 0)
}

func percentages(total int64, low, high float64) space.Limit {
	return space.Limit{Low: int64(float64(total) * low / 100), High: int64(float64(total) * high / 100)}
}

// diskPaths are paths on the disks that hold the nodes' caches.
func (r *run) diskPaths() []string {
	if r.Space.DiskPath != "" {
		return []string{r.Space.DiskPath}
	}
	var paths []string
	for _, n := range r.Nodes {
		if n.Root() != "" {
			paths = append(paths, n.Root())
		}
	}
	return paths
}

// cacheBytes asks the nodes how large their caches are.
func (r *run) cacheBytes(ctx context.Context) (int64, error) {
	var total int64
	var reports []*cache.Report
	for _, s := range r.sweepers {
		report, err := r.look(ctx, s)
		if err != nil {
			return 0, err
		}
		reports = append(reports, report)
		total += report.Totals().Sum().Bytes
	}
	r.learn(reports)
	return total, nil
}

// learn takes from a look at the nodes' caches what is there, how much it takes,
// and what finished jobs added of their own.
func (r *run) learn(reports []*cache.Report) (present map[int32]int64) {
	seen := cache.NewSeen()
	for _, report := range reports {
		seen.Join(report.Sizes())
	}
	a := r.room
	a.mu.Lock()
	defer a.mu.Unlock()
	r.needs.Read(a.book.Know)
	a.book.Holds(seen.Vertices)
	for v, bytes := range seen.Vertices {
		a.book.Seen(v, bytes, seen.Made[v])
	}
	if seen.Compressed > 0 {
		a.book.Rates.PerByte = float64(seen.Whole) / float64(seen.Compressed)
	}
	for job, bytes := range seen.Own {
		if !a.seen[job] {
			a.seen[job] = true
			a.book.SeenOwn(a.jobs[job].Kind, bytes)
		}
	}
	return seen.Vertices
}

// worthLook tells whether a look at the cache is worth its time, after a number
// of jobs have finished: to learn what jobs add, and on a shared builder whose the
// records are, in case the run is killed. With thousands of records a look takes a
// good part of a second, so once something is known looks get rare.
func (a *admission) worthLook(finished int, shared bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	worth := finished%looksEvery == 0 || !a.book.SawOwn() && finished&(finished-1) == 0 ||
		shared && time.Since(a.looked) > attributeEvery
	if worth {
		a.looked = time.Now()
	}
	return worth
}

const (
	// How many jobs finish between two looks that only learn.
	looksEvery = 50
	// How often it is looked whose the records are.
	attributeEvery = 15 * time.Second
)

// start reserves a job's space; done gives it back and tells who waits.
func (a *admission) start(t *task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.Start(t.index, a.jobs[t.index])
}

func (a *admission) done(t *task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.Done(t.index)
	a.note()
}

// expectMore has jobs be expected to add more of their own, until that is seen. One
// that ran alone needs more than it had.
func (a *admission) expectMore(t *task, alone bool, most int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	job := a.jobs[t.index]
	a.book.ExpectMore(job, most)
	if alone && t.had > 0 {
		job.Least = min(t.had+t.had/4, most)
		a.jobs[t.index] = job
	}
}

// freed wakes who waits for space.
func (a *admission) freed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note()
}

// note wakes who waits. The caller holds mu.
func (a *admission) note() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// exporting notes that a job's steps are done and their results are exported:
// about half of its own space is used.
func (a *admission) exporting(t *task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.Used(t.index, 0.5)
}

// state is what admission knows at a moment, at the tightest of its bounds.
type state struct {
	gauge                string
	used, reserved, need int64
	guessed              bool // need rests on nothing that was seen
	limit                space.Limit
	running              int
}

// needs says what the job needs, for people.
func (s state) needs() string {
	if s.guessed {
		return fmt.Sprintf("what it needs is not known (%s are assumed)", size(s.need))
	}
	return "it needs about " + size(s.need)
}

func (s state) fits() bool   { return s.limit.Fits(s.used, s.reserved, s.need) }
func (s state) short() int64 { return s.limit.Short(s.used, s.reserved, s.need) }

// stateFor returns the state at the bound that a job is furthest from fitting.
func (r *run) stateFor(ctx context.Context, t *task) state {
	a := r.room
	var worst state
	for _, g := range a.bounds() {
		used, err := g.used(ctx)
		if err != nil {
			if a.noteRead(g, err) {
				r.warn("", "%s cannot be read, and bounds nothing until it can: %s", g.name, err)
			}
			continue
		}
		a.noteRead(g, nil)
		a.mu.Lock()
		a.peaks[g.name] = max(a.peaks[g.name], used)
		need, known := a.book.Need(a.jobs[t.index])
		s := state{gauge: g.name, used: used, reserved: a.book.Reserved(), need: need, guessed: !known, limit: g.limit, running: a.book.Running()}
		a.mu.Unlock()
		if worst.gauge == "" || s.limit.High-s.used < worst.limit.High-worst.used {
			worst = s
		}
	}
	return worst
}

// noteTried notes that a job is tried without room, and tells whether that is news:
// it needs a good deal more than those that were tried so before.
func (a *admission) noteTried(s state) (news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	most, before := a.tried[s.gauge]
	a.tried[s.gauge] = max(most, s.need)
	return !before || s.need > most*5/4
}

// noteRead notes whether a gauge could be read, and tells whether that it could not
// is news.
func (a *admission) noteRead(g gauge, err error) (news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	news = err != nil && !a.unread[g.name]
	a.unread[g.name] = err != nil
	return news
}

const (
	// How often a job that waits looks whether there is space now, when
	// nothing tells it.
	waitInterval = time.Second
	// How often a look at the cache may help one that waits.
	lookInterval = 300 * time.Millisecond
)

// admit returns when a job may start, with its space reserved. It removes what
// is dead, and at last what is needed latest, to make room. The error is ctx's.
func (r *run) admit(ctx context.Context, t *task) error {
	w := waiting{since: time.Now()}
	var s state
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s = r.stateFor(ctx, t)
		if r.Prune.Policy == PruneOff || s.fits() {
			break
		}
		if !r.isKnown() {
			if err := r.awaitKnown(ctx); err != nil {
				return err
			}
			continue
		}
		if r.lookAgain(ctx, &w) || r.makeRoom(ctx, t, s, &w) {
			continue
		}
		if s.running == 0 && !r.othersTook(ctx, s, &w) {
			if r.room.noteTried(s) {
				r.warn(t.job.Name, "it may not fit: %s, and %s has %s left below its limit of %s; it is tried anyway, as are those that need no more",
					s.needs(), s.gauge, size(max(s.limit.High-s.used, 0)), size(s.limit.High))
			}
			break
		}
		r.waitForSpace(ctx, t, s, &w)
	}
	t.had = 0
	if s.running == 0 {
		t.had = max(s.limit.High-s.used, 0)
	}
	r.room.start(t)
	return nil
}

// waiting is what one job's wait for space has come to.
type waiting struct {
	since  time.Time
	looked time.Time
	told   bool

	collected bool
}

// lookAgain updates what is known of the cache, now and then, and tells whether it
// did.
func (r *run) lookAgain(ctx context.Context, w *waiting) bool {
	if time.Since(w.looked) < lookInterval {
		return false
	}
	w.looked = time.Now()
	_, err := r.cacheBytes(ctx)
	return err == nil
}

// makeRoom removes what is dead, as much as a job is short of and down to the
// low watermark, and where nothing is, what nodes keep of builds that have ended, and
// what is foreign if that is allowed.
// Where that is nothing either and nothing runs, it has the nodes free what failed
// steps left, and under PruneAuto removes live records: those that are needed
// latest first, the job's own last. It tells whether something was done that may
// help.
func (r *run) makeRoom(ctx context.Context, t *task, s state, w *waiting) bool {
	want := max(s.short(), s.limit.Surplus(s.used))
	switch {
	case r.frees(ctx, want, nil), r.forgets(ctx), r.Prune.Foreign && r.freeForeign(ctx, want) > 0:
		return true
	case s.running > 0:
		return false
	case !w.collected:
		w.collected = true
		r.collect(ctx)
		return true
	case r.Prune.Policy != PruneAuto:
		return false
	}
	others := func(w cache.Wanting) bool { return !w.Has(t.index) }
	all := func(cache.Wanting) bool { return true }
	return r.frees(ctx, s.short(), others) || r.frees(ctx, s.short(), all)
}

// collect has the nodes free what no record holds. On a disk that is full to
// the last byte that may fail; removing a record does the same then.
func (r *run) collect(ctx context.Context) {
	for _, n := range r.Nodes {
		_ = n.Collect(ctx)
	}
}

// forgets tells whether a node dropped what it keeps of builds.
func (r *run) forgets(ctx context.Context) bool {
	forgotten := 0
	for _, n := range r.Nodes {
		forgotten += n.Forget(ctx)
	}
	return forgotten > 0
}

// free removes dead records up to a number of bytes on every node, the least
// useful first; with evict, live ones that it allows. It returns the bytes that
// were removed, and why a sweep ended early.
func (r *run) free(ctx context.Context, bytes int64, evict func(cache.Wanting) bool) (removed int64, err error) {
	for _, b := range r.ballasts {
		b.dropWhenTight()
	}
	for _, s := range r.sweepers {
		r.Journal.Tell(journal.SweepStarted{Node: s.Node.Name(), Pressure: true})
		var w sweep.Sweep
		if evict == nil {
			w = s.Free(ctx, bytes)
		} else {
			w = s.Evict(ctx, bytes, evict)
		}
		r.swept(r.nodeOf(s), w, true)
		removed += w.Removed.Bytes
		err = errors.Join(err, w.Err)
	}
	return removed, err
}

// frees tells whether free removed anything.
func (r *run) frees(ctx context.Context, bytes int64, evict func(cache.Wanting) bool) bool {
	removed, _ := r.free(ctx, bytes, evict)
	return removed > 0
}

func size(bytes int64) string { return bytesize.Text(bytes) }

// othersTook tells whether a job would fit but for what others put on the disk
// since the run began, and may still be waited for.
func (r *run) othersTook(ctx context.Context, s state, w *waiting) bool {
	if time.Since(w.since) > r.Space.Wait || len(r.sweepers) == 0 {
		return false // without a sweeper, what the run took itself is not known
	}
	cached, err := r.cacheBytes(ctx)
	if err != nil {
		return false
	}
	others := s.used - cached - r.others
	return others > s.limit.High/20 && s.limit.Fits(s.used-others, s.reserved, s.need)
}

// waitForSpace waits until something may have changed. It gives the worker away
// meanwhile: a job between two attempts may need it, and its end may be what is
// waited for.
func (r *run) waitForSpace(ctx context.Context, t *task, s state, w *waiting) {
	if !w.told {
		w.told = true
		r.room.mu.Lock()
		r.room.waits++
		r.room.mu.Unlock()
		r.Journal.Tell(journal.WaitingForSpace{Job: t.job.Name, NeedBytes: s.need, Guessed: s.guessed, FreeBytes: max(s.limit.High-s.used-s.reserved, 0), Running: s.running, Bound: s.gauge})
	}
	r.room.mu.Lock()
	changed := r.room.changed
	r.room.mu.Unlock()
	r.release()
	select {
	case <-changed:
	case <-time.After(waitInterval):
	case <-ctx.Done():
	}
	_ = r.slots.Acquire(context.WithoutCancel(ctx), 1)
}
