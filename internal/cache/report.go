package cache

import (
	"cmp"
	"container/heap"
	"slices"
)

// Report has the verdicts on a builder's records. It is a value of one moment
// that does not change; several goroutines may read it.
type Report struct {
	Records  []Record
	Verdicts []Verdict // of the records at the same places

	lineages *lineages
}

// Totals are the records and bytes of each state. Held and Busy are parts: of
// Live what is held until the run ends, and of Dead what running builds hold.
type Totals struct {
	Live, Held, Dead, Busy, Foreign Sum
}

// Sum is a number of records and their size in bytes.
type Sum struct {
	Records int
	Bytes   int64
}

func (s *Sum) add(r *Record) {
	s.Records++
	s.Bytes += r.Size
}

// Totals adds the records up.
func (r *Report) Totals() Totals {
	var t Totals
	for i := range r.Records {
		rec := &r.Records[i]
		switch v := r.Verdicts[i]; v.State {
		case Live:
			t.Live.add(rec)
			if v.Reason == Held {
				t.Held.add(rec)
			}
		case Dead:
			t.Dead.add(rec)
			if rec.InUse {
				t.Busy.add(rec)
			}
		case Foreign:
			t.Foreign.add(rec)
		}
	}
	return t
}

// Owners returns the IDs of all jobs of the plan, finished or not, that the
// record at i is of: those with the layer that it is, or with the base images
// that it hangs on. It is nil where nothing is known.
func (r *Report) Owners(i int) []int {
	c := &classifier{View: View{Needs: r.lineages.needs}, lineages: r.lineages}
	var shapes []int
	switch {
	case r.lineages.layer[i] >= 0:
		shapes = c.Needs.layers[r.lineages.layer[i]].holds
	case r.lineages.hangs[i] >= firstSet:
		shapes = c.shapesOn(r.lineages.sets[r.lineages.hangs[i]])
	}
	var owners []int
	for _, s := range shapes {
		for _, j := range c.Needs.shapes[s].jobs {
			owners = append(owners, c.Needs.jobs[j].ID)
		}
	}
	slices.Sort(owners)
	return owners
}

// Removable returns the dead records that can be deleted now, children before
// parents, so that any cut of the list into slices can be deleted slice by
// slice. Where children leave the choice, what is of the least use to a later
// run comes first: steps' results, then layers of few jobs, then shared ones;
// among equals the least recently used. Records that running builds hold, and
// their ancestors, are left out.
//
// BuildKit takes parent and child in one delete call in any order, because it
// repeats until nothing more matches (measured; prune in its cache/manager.go).
func (r *Report) Removable() []Record {
	return r.leavesFirst(func(i int) bool { return r.Verdicts[i].State == Dead }, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.sharing(a), r.sharing(b)), r.byUse(a, b))
	})
}

// Held returns the records that are held until the run ends and that nothing
// stands on, least recently used first, children before parents. Removing them
// can only cost work that a later job does again: a last resort when nothing is
// dead and the disk is full. Content that every job uses was used lately, so
// what only finished jobs used comes first.
func (r *Report) Held() []Record {
	return r.leavesFirst(func(i int) bool { return r.Verdicts[i].Reason == Held }, r.byUse)
}

// Foreign returns the foreign records that can be deleted now, least recently
// used first, children before parents.
func (r *Report) Foreign() []Record {
	return r.leavesFirst(func(i int) bool { return r.Verdicts[i].State == Foreign }, r.byUse)
}

// Evictable returns the live records that can be deleted now and that may allows
// by the unfinished jobs that need them: those that are needed latest first,
// where the job with the lower ID comes earlier, children before parents. What
// is removed of them will be made again.
func (r *Report) Evictable(may func(jobs []int) bool) []Record {
	next := make([]int, len(r.Records)) // the first unfinished job that needs the record
	allowed := make([]bool, len(r.Records))
	for i, v := range r.Verdicts {
		if v.Reason != Needed {
			continue
		}
		if jobs := r.waiting(i); len(jobs) > 0 {
			next[i], allowed[i] = jobs[0], may(jobs)
		}
	}
	return r.leavesFirst(func(i int) bool { return allowed[i] }, func(a, b int) int {
		return cmp.Or(cmp.Compare(next[b], next[a]), r.byUse(a, b))
	})
}

// Own returns the records that can be deleted now, that job is the only
// unfinished one to need, and that may allows; children before parents.
func (r *Report) Own(job int, may func(Verdict) bool) []Record {
	own := make([]bool, len(r.Records))
	for i, v := range r.Verdicts {
		if v.Reason == Needed && may(v) {
			jobs := r.waiting(i)
			own[i] = len(jobs) == 1 && jobs[0] == job
		}
	}
	return r.leavesFirst(func(i int) bool { return own[i] }, r.byUse)
}

// waiting returns the unfinished jobs among a record's owners.
func (r *Report) waiting(i int) []int { return r.lineages.needs.waiting(r.Owners(i)) }

// sharing is how many jobs of the plan have the layer; 0 for what is no layer.
func (r *Report) sharing(i int) int {
	if l := r.lineages.layer[i]; l >= 0 {
		return r.lineages.needs.layers[l].jobs
	}
	return 0
}

// byUse compares two records by their last use.
func (r *Report) byUse(a, b int) int {
	x, y := &r.Records[a], &r.Records[b]
	return cmp.Or(x.used().Compare(y.used()), cmp.Compare(x.ID, y.ID))
}

// leavesFirst returns the records that want picks and that can be deleted, in
// the order that compare gives as far as children come before parents.
func (r *Report) leavesFirst(want func(i int) bool, compare func(a, b int) int) []Record {
	blocked := make([]int, len(r.Records)) // children that are still there
	ready := &queue{compare: compare}
	can := func(i int) bool { return want(i) && !r.Records[i].InUse && blocked[i] == 0 }
	for i := range r.Records {
		blocked[i] = len(r.lineages.children[i])
		if can(i) {
			ready.items = append(ready.items, i)
		}
	}
	heap.Init(ready)
	var list []Record
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		list = append(list, r.Records[i])
		for _, p := range r.lineages.parents[i] {
			if blocked[p]--; can(p) {
				heap.Push(ready, p)
			}
		}
	}
	return list
}

// queue is a heap of records' indexes.
type queue struct {
	items   []int
	compare func(a, b int) int
}

func (q *queue) Len() int           { return len(q.items) }
func (q *queue) Less(i, j int) bool { return q.compare(q.items[i], q.items[j]) < 0 }
func (q *queue) Swap(i, j int)      { q.items[i], q.items[j] = q.items[j], q.items[i] }
func (q *queue) Push(x any)         { q.items = append(q.items, x.(int)) }
func (q *queue) Pop() any {
	last := len(q.items) - 1
	x := q.items[last]
	q.items = q.items[:last]
	return x
}
