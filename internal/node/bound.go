package node

import (
	"context"
	"fmt"
	"slices"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/space"
)

// gauge is one bound on what may be used.
type gauge struct {
	name  string // for people: what is bounded
	limit space.Limit
	used  func(ctx context.Context) (int64, error)
	// others are the bytes of used that are not the node's cache: what was on the disk
	// when the run began.
	others int64
}

// BudgetName is what the bound of --cache-budget is called.
const BudgetName = "--cache-budget"

func percentages(total int64, low, high float64) space.Limit {
	return space.Limit{Low: int64(float64(total) * low / 100), High: int64(float64(total) * high / 100)}
}

// bound sets the bounds: the budget, and the disk where it can be seen. Where neither
// is, it says that nothing bounds the run before a disk is full.
func (n *Node) bound() {
	o := n.Space
	if o.Budget > 0 {
		n.space.bound(gauge{name: BudgetName, limit: percentages(o.Budget, o.Low, 100), used: n.cacheBytes})
	}
	n.disk = n.openDisk()
	if d := n.disk; d.isSeen() {
		n.space.bound(gauge{name: d.name(), limit: percentages(d.first.Used+d.first.Free, o.Low, o.High), used: d.used, others: d.others})
	}
	if len(n.space.all()) == 0 && n.sweeper != nil && n.Prune.Policy != PruneOff {
		n.warn("", "the disk of %s cannot be seen from here: once it is full, what is dead is removed and no more is used than it held then; "+
			"to keep it from filling, give --cache-budget, or --disk-path for a disk of this machine", n.Name())
	}
}

// boundByLevel bounds a node on a disk that cannot be seen, and that is full, by what
// its cache has come to.
func (n *Node) boundByLevel(ctx context.Context) {
	if len(n.space.all()) > 0 {
		return
	}
	level, err := n.cacheBytes(ctx)
	if err != nil || level == 0 {
		return
	}
	limit := percentages(level, n.Space.Low, n.Space.High)
	if n.space.boundFirst(gauge{name: "a full disk that cannot be seen", limit: limit, used: n.cacheBytes}) {
		n.warn("", "the builder's disk is full with %s of cache: no more than %s are used from now on", bytesize.Text(level), bytesize.Text(limit.High))
	}
}

// cacheBytes asks the node how large its cache is.
func (n *Node) cacheBytes(ctx context.Context) (int64, error) {
	report, err := n.Look(ctx)
	if err != nil {
		return 0, err
	}
	return report.Totals().Sum().Bytes, nil
}

// bound adds a bound.
func (a *room) bound(g gauge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bounds = append(a.bounds, g)
}

// boundFirst adds a bound where there is none yet, and tells whether it did.
func (a *room) boundFirst(g gauge) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.bounds) > 0 {
		return false
	}
	a.bounds = append(a.bounds, g)
	return true
}

func (a *room) all() []gauge {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.bounds)
}

// state is what is known of a node's space at a moment, at the tightest of its bounds.
type state struct {
	bound                string
	used, reserved, need int64
	guessed              bool // need rests on nothing that was seen
	limit                space.Limit
	running              int
	// unread is the bound that cannot be read: then it is not known whether anything fits
	unread string
}

// needs says what the job needs, for people.
func (s state) needs() string {
	if s.guessed {
		return fmt.Sprintf("what it needs is not known (%s are assumed)", bytesize.Text(s.need))
	}
	return "it needs about " + bytesize.Text(s.need)
}

// fits tells whether the job does. What is not known does not fit; what adds nothing always
// does.
func (s state) fits() bool {
	adds := s.need > 0 || s.guessed
	return s.unread == "" && (!adds || s.limit.Fits(s.used, s.reserved, s.need))
}

func (s state) short() int64 { return s.limit.Short(s.used, s.reserved, s.need) }
func (s state) left() int64  { return max(s.limit.High-s.used, 0) }

// stateFor returns the state at the bound that a job is furthest from fitting.
func (a *room) stateFor(ctx context.Context, job int) state {
	var worst state
	var unread string
	freed := a.freed() // what ends while the bounds are read may not be in them yet
	for _, g := range a.all() {
		used, err := g.used(ctx)
		if a.noteRead(g.name, err) && ctx.Err() == nil {
			a.unreadable(g, err)
		}
		if err != nil {
			unread = g.name
			continue
		}
		a.noteUsed(g.name, used)
		if worst.bound == "" || g.limit.High-used < worst.limit.High-worst.used {
			worst = state{bound: g.name, used: used, limit: g.limit}
		}
	}
	worst.unread = unread
	a.mu.Lock()
	defer a.mu.Unlock()
	need, known := a.book.Need(a.jobs[job])
	worst.need, worst.guessed = need, !known
	worst.reserved, worst.running = a.book.Reserved()+a.book.Pulling(a.jobs[job])+a.book.Freed()-freed, a.book.Running()
	return worst
}

func (a *room) freed() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.book.Freed()
}

// tightest is the bound with the least room, nil for none that can be read, and what is
// used of each that can.
func (a *room) tightest(ctx context.Context) (least *gauge, used map[string]int64) {
	used = map[string]int64{}
	for _, g := range a.all() {
		u, err := g.used(ctx)
		if err != nil {
			continue
		}
		used[g.name] = u
		if least == nil || g.limit.High-u < least.limit.High-used[least.name] {
			least = &g
		}
	}
	return least, used
}

// surplus is the bytes above the low watermark of the fullest bound.
func (a *room) surplus(ctx context.Context) (most int64) {
	for _, g := range a.all() {
		if used, err := g.used(ctx); err == nil {
			most = max(most, g.limit.Surplus(used))
		}
	}
	return most
}
