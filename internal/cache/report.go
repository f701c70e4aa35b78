package cache

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
)

// Report has the verdicts on a builder's records. It is a value of one moment
// that does not change; several goroutines may read it.
type Report struct {
	Records  []Record
	Verdicts []Verdict // of the records at the same places

	*attribution
}

// Totals are the records and bytes of each state. Held and Busy are parts: of
// Live what is held until the run ends, and of Dead what running builds hold.
type Totals struct {
	Live, Held, Dead, Busy, Foreign, LeftOver Sum
}

// Sum is the records of all states.
func (t Totals) Sum() Sum {
	var sum Sum
	for _, s := range []Sum{t.Live, t.Dead, t.Foreign, t.LeftOver} {
		sum.Records += s.Records
		sum.Bytes += s.Bytes
	}
	return sum
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
		case LeftOver:
			t.LeftOver.add(rec)
		}
	}
	return t
}

// Strange returns the bytes of the foreign records that surely serve others: a
// frontend may serve the plan's builds, too.
func (r *Report) Strange() (bytes int64) {
	for i := range r.Records {
		if r.Verdicts[i].State == Foreign && r.Records[i].Kind != KindFrontend {
			bytes += r.Records[i].Size
		}
	}
	return bytes
}

// Pinned returns the vertices, and the bytes, of the plan's records that foreign ones
// stand on: they cannot be removed before those are.
func (r *Report) Pinned() (vertices []int32, bytes int64) {
	pinned := make([]bool, len(r.Records))
	for _, i := range slices.Backward(r.order) {
		foreign := r.Verdicts[i].State == Foreign
		if pinned[i] && !foreign {
			bytes += r.Records[i].Size
			if len(r.of[i]) == 1 {
				vertices = append(vertices, r.of[i][0])
			}
		}
		for _, p := range r.parents[i] {
			pinned[p] = pinned[p] || pinned[i] || foreign
		}
	}
	return vertices, bytes
}

// Owners returns the numbers of all jobs of the plan, finished or not, that the
// record at i is of. It is nil where nothing is known.
func (r *Report) Owners(i int) []int {
	r.Needs.mu.RLock()
	defer r.Needs.mu.RUnlock()
	var owners []int
	for _, v := range r.of[i] {
		for _, job := range r.shared.JobsOf(v) {
			owners = append(owners, int(job))
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// Removable returns the dead records that can be deleted now, children before
// parents, so that any cut of the list into slices can be deleted slice by
// slice. Where children leave the choice, what is of the least use to a later
// run comes first: what few jobs have, steps' results before layers, and among
// equals the least recently used. Records that running builds hold, and
// their ancestors, are left out.
//
// BuildKit takes parent and child in one delete call in any order, because it
// repeats until nothing more matches (measured; prune in its cache/manager.go).
func (r *Report) Removable() []Record {
	r.Needs.mu.RLock()
	defer r.Needs.mu.RUnlock()
	sharing := make([]int, len(r.Records))
	for i := range r.Records {
		sharing[i] = r.sharing(i)
	}
	return r.leavesFirst(func(i int) bool { return r.Verdicts[i].State == Dead }, func(a, b int) int {
		return cmp.Or(cmp.Compare(sharing[a], sharing[b]), cmp.Compare(r.layerOrStep(a), r.layerOrStep(b)), r.byUse(a, b))
	})
}

// Foreign returns the foreign records that can be deleted now, least recently
// used first, children before parents.
func (r *Report) Foreign() []Record {
	return r.leavesFirst(func(i int) bool { return r.Verdicts[i].State == Foreign }, r.byUse)
}

// LeftOver returns the left-over records that can be deleted now, least recently
// used first, children before parents.
func (r *Report) LeftOver() []Record {
	return r.leavesFirst(func(i int) bool { return r.Verdicts[i].State == LeftOver }, r.byUse)
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
func (r *Report) wanting(i int) Wanting { return Wanting{r.Needs, r.of[i]} }

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

// Seen is what a look at a cache tells of the sizes of its vertices, in bytes.
type Seen struct {
	// Vertices are what the records of each vertex take, where they are nobody
	// else's.
	Vertices map[int32]int64
	// Made tells which of these will not grow any more: a layer that is unpacked, and
	// a step whose result is compressed, too, since a finished job has it or it was
	// there when the run began.
	Made map[int32]bool
	// Whole is what the layers take that are pulled and unpacked, Compressed what
	// these are in the registry.
	Whole, Compressed int64
	// Own is, by finished jobs whose records are still there, what they made that
	// no other job has.
	Own map[int]int64
}

// NewSeen returns what no look has told yet.
func NewSeen() Seen {
	return Seen{Vertices: map[int32]int64{}, Made: map[int32]bool{}, Own: map[int]int64{}}
}

// Join adds what a look at another cache tells.
func (s *Seen) Join(o Seen) {
	for v, bytes := range o.Vertices {
		s.Vertices[v] = max(s.Vertices[v], bytes)
	}
	maps.Copy(s.Made, o.Made)
	s.Whole, s.Compressed = s.Whole+o.Whole, s.Compressed+o.Compressed
	for job, bytes := range o.Own {
		s.Own[job] = max(s.Own[job], bytes)
	}
}

// Sizes tells what the records take.
func (r *Report) Sizes() Seen {
	r.Needs.mu.RLock()
	defer r.Needs.mu.RUnlock()
	s := NewSeen()
	whole := r.wholeLayers()
	for i := range r.Records {
		rec := &r.Records[i]
		if rec.Size == 0 || len(r.of[i]) != 1 {
			continue
		}
		v := r.of[i][0]
		s.Vertices[v] += rec.Size
		if whole[i] || !r.isLayer(i) && (r.Needs.anyFinished(v) || !r.isNew(i)) {
			s.Made[v] = true
		}
		if size := r.shared.Size(v); whole[i] && size > 0 {
			s.Whole, s.Compressed = s.Whole+rec.Size, s.Compressed+size
		}
		if verdict := r.Verdicts[i]; verdict.Reason == Finished && !verdict.Layer && len(r.shared.JobsOf(v)) == 1 {
			s.Own[verdict.Job] += rec.Size
		}
	}
	return s
}

// wholeLayers tells which records are layers that are unpacked for sure: a step's
// result stands above them.
func (r *Report) wholeLayers() []bool {
	whole := make([]bool, len(r.Records))
	for _, i := range slices.Backward(r.order) {
		stands := whole[i] || !r.isLayer(i) && r.Records[i].Size > 0
		for _, p := range r.parents[i] {
			whole[p] = whole[p] || stands
		}
		whole[i] = whole[i] && r.isLayer(i)
	}
	return whole
}
