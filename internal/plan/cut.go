package plan

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/stoker-build/stoker/internal/graph"
)

// piece is what can be known of a job without asking anybody.
type piece struct {
	base        string      // its base image; empty where it is not given one
	graph       graph.Graph // what its build does, as far as its Dockerfile tells
	makes, read []string    // images, by their tags
}

// row is the pieces of an input side by side, those that share most next to each other.
type row struct {
	shared *graph.Shared
	bases  []string
	units  [][]int // the pieces by their places; those of one unit must stay together
}

// newRow puts pieces side by side: in the order in which one run would build them all,
// where base images of which nothing else is known go by their names, so that those of a
// project are neighbours. Nothing but what is equal to what decides, since an argument or
// a directory may be another on each machine.
func newRow(all []piece) row {
	r := row{shared: graph.NewShared()}
	jobs := make([]int, len(all))
	for i, p := range all {
		jobs[i] = i
		r.bases = append(r.bases, p.base)
		r.shared.Set(i, p.graph)
	}
	slices.SortStableFunc(jobs, func(a, b int) int { return cmp.Compare(r.bases[a], r.bases[b]) })
	unit := together(all)
	at := map[int]int{} // where a unit is among the units
	for _, i := range r.shared.Order(jobs, nil, graph.Costs{Weight: func(int32) int64 { return 1 }}) {
		k, begun := at[unit[i]]
		if !begun {
			k = len(r.units)
			at[unit[i]] = k
			r.units = append(r.units, nil)
		}
		r.units[k] = append(r.units[k], i)
	}
	return r
}

// together tells by a number of each piece with which others it must stay: one of them
// reads what another makes.
func together(all []piece) []int {
	group := make([]int, len(all)) // by place: another place of the group, or itself
	for i := range group {
		group[i] = i
	}
	first := func(i int) int {
		for group[i] != i {
			group[i] = group[group[i]]
			i = group[i]
		}
		return i
	}
	makers := map[string]int{}
	for i, p := range all {
		for _, tag := range p.makes {
			makers[tag] = i
		}
	}
	for i, p := range all {
		for _, tag := range p.read {
			if maker, made := makers[tag]; made {
				a, b := first(i), first(maker)
				group[max(a, b)] = min(a, b)
			}
		}
	}
	for i := range group {
		group[i] = first(i)
	}
	return group
}

// leeway is the part of a shard's size by which an end of it may be moved to where less
// is shared.
const leeway = 0.1

// cut deals the units out to n shards, in their order: about equally many jobs to each,
// and cut where neighbours share least.
func (r row) cut(n int) [][]int {
	ends := []int{0} // how many jobs there are up to the end of so many units
	for _, u := range r.units {
		ends = append(ends, ends[len(ends)-1]+len(u))
	}
	all := ends[len(ends)-1]
	share := float64(all) / float64(n)
	slack := math.Floor(share*leeway) + 0.5 // with the nearest whole number of jobs in it
	shards := make([][]int, n)
	from := 0
	for k := range shards {
		// An end that was moved moves none of those after it; a unit that is larger than a
		// shard does.
		want := float64(ends[from]) + float64(all-ends[from])/float64(n-k)
		if even := share * float64(k+1); math.Abs(even-want) <= slack {
			want = even
		}
		to := len(r.units)
		if k < n-1 {
			to = r.end(ends, from, want, slack)
		}
		shards[k] = slices.Concat(r.units[from:to]...)
		from = to
	}
	return shards
}

// end returns behind which unit a shard ends that begins with unit from: where the least
// is shared among the places near the wanted number of jobs, or else at the nearest. It
// has a unit at least, while there are any.
func (r row) end(ends []int, from int, want, slack float64) int {
	best := min(from+1, len(r.units))
	off := func(at int) float64 { return math.Abs(float64(ends[at]) - want) }
	for at := best + 1; at <= len(r.units) && off(at) <= max(off(best), slack); at++ {
		if off(best) > slack || r.less(at, best, off) {
			best = at
		}
	}
	return best
}

// less tells whether a place is better to cut at than one before it: less is shared across
// it, or it is no farther from where the cut should be.
func (r row) less(at, before int, off func(int) float64) bool {
	a, b := r.across(at), r.across(before)
	return a < b || a == b && off(at) <= off(before)
}

// across tells how much the jobs on both sides of the place before a unit have in common:
// vertices, and words of their base images' names, of whose layers nothing is known.
func (r row) across(unit int) int {
	if unit == 0 || unit >= len(r.units) {
		return 0
	}
	before := r.units[unit-1]
	a, b := before[len(before)-1], r.units[unit][0]
	left := map[int32]bool{}
	for _, v := range r.shared.Path(a) {
		left[v] = true
	}
	count := commonWords(r.bases[a], r.bases[b])
	for _, v := range r.shared.Path(b) {
		if left[v] {
			count++
		}
	}
	return count
}

// commonWords counts the words that two names begin with alike.
func commonWords(a, b string) (count int) {
	words := func(s string) []string {
		return strings.FieldsFunc(s, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	}
	x, y := words(a), words(b)
	for count < min(len(x), len(y)) && x[count] == y[count] {
		count++
	}
	return count
}

func longest(shards [][]int) (most int) {
	for _, s := range shards {
		most = max(most, len(s))
	}
	return most
}
