package cache

import (
	"cmp"
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// source is one making of a vertex's result: it leaves one record. That is mutable at first,
// gives way to another that is not when it is exported or built upon, and may come back as it
// was when nobody uses it any more.
type source struct {
	vertex, result int32
	at             int64 // when it was done, or else when it began, in nanoseconds
}

// origin is where a record came from, by this run's numbers of vertices.
type origin struct {
	by      []source
	mutable bool // the record was, when last seen
}

// claimant is a record that is taken for what some makings have left, or for one of it
// where they do not tell it apart.
type claimant struct {
	record int    // its number; none where it is accounted for, or gone
	id     string // of one that is gone
	gap    time.Duration
	origin
}

const none = -1

// nearby is how near to the beginning of its step a mutable record is, as good as always,
// where the clocks of builder and build are known to each other.
const nearby = 200 * time.Millisecond

// contest takes back what is not sure: where more records seem to come from makings than
// these have left. Those that are clearly the nearest in time are theirs; the rest are
// somebody else's, or of another step of which it was not told yet. A record that is gone
// keeps its making: what looks like another one of it is not the plan's.
func (a *attribution) contest() {
	apart := time.Duration(0)
	if a.Owner == Shared { // nothing of a stranger's goes because of a few milliseconds
		apart = sameMoment
	}
	for _, group := range grouped(a.withGone(a.claimants())) {
		for _, c := range undecided(group, apart) {
			a.of[c.record], a.sure[c.record], a.lost[c.record], a.sources[c.record] = a.fitting(c.record), false, true, nil
		}
	}
}

// undecided are those of the claimants of some makings of which it is not told that these
// have left them.
func undecided(group []claimant, apart time.Duration) (out []claimant) {
	sources := map[source]bool{}
	var claims, back []claimant
	kept, goneMutable, gone := 0, 0, 0 // how many have left another record; of which one is gone that was mutable, or was not
	for _, c := range group {
		for _, s := range c.by {
			sources[s] = true
		}
		switch {
		case c.record == none && c.id == "":
			kept++
		case c.record == none && c.mutable:
			goneMutable++
		case c.record == none:
			gone++
		case c.mutable && c.gap <= nearby:
			back = append(back, c)
		default:
			claims = append(claims, c)
		}
	}
	if len(back) > gone { // else they are what has given way, and is back
		claims = append(claims, back...)
	}
	n := clearly(claims, max(len(sources)-kept-gone, 0), apart)
	for _, c := range claims[:n] {
		if c.mutable && goneMutable > 0 { // that gave way to one that is not
			goneMutable--
			out = append(out, c)
		}
	}
	return append(out, claims[n:]...)
}

// clearly sorts the claims by how near they are, and returns how many of them, up to a
// number, are told apart from the others by more than apart.
func clearly(claims []claimant, most int, apart time.Duration) int {
	slices.SortFunc(claims, func(x, y claimant) int { return cmp.Or(cmp.Compare(x.gap, y.gap), cmp.Compare(x.record, y.record)) })
	n := min(most, len(claims))
	for n > 0 && n < len(claims) && claims[n].gap-claims[n-1].gap <= apart {
		n--
	}
	return n
}

// claimants are the records that the moments of their making have told of.
func (a *attribution) claimants() (all []claimant) {
	for i := range a.records {
		if !a.sure[i] {
			continue
		}
		c := claimant{record: i, origin: origin{mutable: a.records[i].Mutable}}
		if a.own[i] {
			c.record = none
		}
		c.by, c.gap = a.sourcesOf(i)
		if len(c.by) > 0 {
			a.sources[i] = c.by
			all = append(all, c)
		}
	}
	return all
}

// withGone returns claimants and the records that are gone of their makings, and of the makings
// that those may have come from instead.
func (a *attribution) withGone(claimants []claimant) []claimant {
	all := append(claimants, a.fromBefore...)
	if a.Memory == nil {
		return all
	}
	a.Memory.mu.RLock()
	defer a.Memory.mu.RUnlock()
	seen, taken := map[source]bool{}, map[string]bool{}
	for n := 0; n < len(all); n++ { // what is added is looked at, too
		for _, s := range all[n].by {
			if seen[s] {
				continue
			}
			seen[s] = true
			for _, id := range a.Memory.left[s] {
				o := a.Memory.origins[id]
				if _, there := a.index[id]; there || taken[id] || !slices.Contains(o.by, s) {
					continue
				}
				taken[id] = true
				all = append(all, claimant{record: none, id: id, origin: o})
			}
		}
	}
	return all
}

// sourcesOf returns the makings that the record at i may come from.
func (a *attribution) sourcesOf(i int) (by []source, least time.Duration) {
	r := &a.records[i]
	description := graph.Normalize(r.Description)
	least = -1
	for _, v := range a.of[i] {
		gap, made := a.gap(v, r, a.isNew(i))
		if gap < 0 {
			continue
		}
		if least < 0 || gap < least {
			least = gap
		}
		by = append(by, source{v, a.resultOf(v, description), made.moment()})
	}
	return by, least
}

// resultOf is the number of a vertex's result with a description; 0 where the
// description does not tell.
func (a *attribution) resultOf(v int32, description string) int32 {
	for n := range a.shared.Results(v) {
		if d, _ := a.shared.Result(v, n); d == description {
			return int32(n)
		}
	}
	return 0
}

// earlierSources are the makings of a vertex in earlier runs.
func (a *attribution) earlierSources(v int32) (by []source) {
	for _, m := range a.made[v] {
		if m.earlier {
			by = append(by, source{v, 0, m.moment()})
		}
	}
	return by
}

func (m *Making) moment() int64 {
	if m.Done.IsZero() {
		return m.Began.UnixNano()
	}
	return m.Done.UnixNano()
}

// grouped returns claimants in groups that have no making in common.
func grouped(claimants []claimant) map[int][]claimant {
	numbers := map[source]int{} // of the makings
	var parent []int
	var root func(n int) int
	root = func(n int) int {
		if parent[n] != n {
			parent[n] = root(parent[n])
		}
		return parent[n]
	}
	number := func(s source) int {
		n, known := numbers[s]
		if !known {
			n = len(parent)
			numbers[s], parent = n, append(parent, n)
		}
		return root(n)
	}
	for _, c := range claimants {
		for _, s := range c.by[1:] {
			parent[number(s)] = number(c.by[0])
		}
	}
	groups := map[int][]claimant{}
	for _, c := range claimants {
		g := number(c.by[0])
		groups[g] = append(groups[g], c)
	}
	return groups
}
