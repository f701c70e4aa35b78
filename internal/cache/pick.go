package cache

import (
	"cmp"
	"container/heap"
	"slices"
)

// Policy says what may be removed beside what is dead.
type Policy struct {
	LeftOver bool // what earlier runs left
	Foreign  bool // what is somebody else's
}

// turn is when records of a state go, and whether they may.
func (p Policy) turn(s State) (turn int, may bool) {
	switch s {
	case Dead:
		return 0, true
	case LeftOver:
		return 1, p.LeftOver
	case Foreign:
		return 2, p.Foreign
	}
	return 3, false
}

// Pick returns the records that a policy lets go and that can be deleted now,
// children before parents, so that any cut of the list into slices can be deleted
// slice by slice. Where children leave the choice, the dead ones come first, then
// what is left over, then the foreign ones. Among the dead, what is of the least
// use to a later run comes first: what few jobs have, steps' results before
// layers. Among equals it is the least recently used. Records that running builds
// hold, and their ancestors, are left out.
//
// BuildKit takes parent and child in one delete call in any order, because it
// repeats until nothing more matches (measured; prune in its cache/manager.go).
func (r *Report) Pick(p Policy) []Record {
	r.Needs.mu.RLock()
	defer r.Needs.mu.RUnlock()
	rank := make([][3]int, len(r.Records))
	may := make([]bool, len(r.Records))
	for i := range r.Records {
		state := r.Verdicts[i].State
		rank[i][0], may[i] = p.turn(state)
		if state == Dead {
			rank[i][1], rank[i][2] = r.sharing(i), r.layerOrStep(i)
		}
	}
	return r.leavesFirst(func(i int) bool { return may[i] }, func(a, b int) int {
		return cmp.Or(slices.Compare(rank[a][:], rank[b][:]), r.byUse(a, b))
	})
}

// Evictable returns the live records that can be deleted now and that may allows
// by the unfinished jobs that need them: those that are needed latest first,
// where the job with the lower number comes earlier, children before parents.
// What is removed of them will be made again.
func (r *Report) Evictable(may func(Wanting) bool) []Record {
	next := make([]int, len(r.Records)) // the first unfinished job that needs the record
	allowed := make([]bool, len(r.Records))
	for i, v := range r.Verdicts {
		if v.Reason != Needed {
			continue
		}
		w := r.wanting(i)
		if next[i] = w.First(); next[i] != NoJob {
			allowed[i] = may(w)
		}
	}
	return r.leavesFirst(func(i int) bool { return allowed[i] }, func(a, b int) int {
		return cmp.Or(cmp.Compare(next[b], next[a]), r.byUse(a, b))
	})
}

// Wanted counts the records that unfinished jobs need that may allows, also those that
// cannot be deleted now.
func (r *Report) Wanted(may func(Wanting) bool) (n int) {
	for i, v := range r.Verdicts {
		if v.Reason == Needed && may(r.wanting(i)) {
			n++
		}
	}
	return n
}

// Own returns the records that can be deleted now, that job is the only
// unfinished one to need, and that may allows; children before parents.
func (r *Report) Own(job int, may func(Verdict) bool) []Record {
	own := make([]bool, len(r.Records))
	for i, v := range r.Verdicts {
		own[i] = v.Reason == Needed && may(v) && r.wanting(i).Only(job)
	}
	return r.leavesFirst(func(i int) bool { return own[i] }, r.byUse)
}

// wanting are the unfinished jobs that need the record at i.
func (r *Report) wanting(i int) Wanting { return Wanting{r.Needs, r.Node, r.of[i], r.former[i]} }

// sharing is how many jobs of the plan have what the record is.
func (r *Report) sharing(i int) (jobs int) {
	for _, v := range r.of[i] {
		jobs = max(jobs, len(r.shared.JobsOf(v)))
	}
	return jobs
}

// layerOrStep is 1 for a layer, and 0 for a step's result.
func (r *Report) layerOrStep(i int) int {
	if r.Verdicts[i].Layer {
		return 1
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
		blocked[i] = len(r.children[i])
		if can(i) {
			ready.items = append(ready.items, i)
		}
	}
	heap.Init(ready)
	var list []Record
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		list = append(list, r.Records[i])
		for _, p := range r.parents[i] {
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
