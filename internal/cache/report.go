package cache

import (
	"maps"
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
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
	return t.Live.Plus(t.Dead).Plus(t.Foreign).Plus(t.LeftOver)
}

// Sum is a number of records and their size in bytes.
type Sum struct {
	Records int
	Bytes   int64
}

// Add counts a record.
func (s *Sum) Add(r *Record) {
	s.Records++
	s.Bytes += r.Size
}

// Plus returns both sums as one.
func (s Sum) Plus(o Sum) Sum { return Sum{s.Records + o.Records, s.Bytes + o.Bytes} }

// Minus returns what is left of a sum without a part of it.
func (s Sum) Minus(o Sum) Sum { return Sum{s.Records - o.Records, s.Bytes - o.Bytes} }

// SumOf adds records up.
func SumOf(list []Record) (s Sum) {
	for i := range list {
		s.Add(&list[i])
	}
	return s
}

// Totals adds the records up.
func (r *Report) Totals() Totals {
	var t Totals
	for i := range r.Records {
		rec := &r.Records[i]
		switch v := r.Verdicts[i]; v.State {
		case Live:
			t.Live.Add(rec)
			if v.Reason == Held {
				t.Held.Add(rec)
			}
		case Dead:
			t.Dead.Add(rec)
			if rec.InUse {
				t.Busy.Add(rec)
			}
		case Foreign:
			t.Foreign.Add(rec)
		case LeftOver:
			t.LeftOver.Add(rec)
		}
	}
	return t
}

// isStrange tells whether the record at i is foreign and was there when the run began: of a newer
// one it may not be known yet that a build of the run makes it.
func isStrange(r *Report, i int) bool { return r.Verdicts[i].State == Foreign && !r.isNew(i) }

// Strange returns the bytes of the foreign records that surely serve others: a
// frontend may serve the plan's builds, too.
func (r *Report) Strange() (bytes int64) {
	for i := range r.Records {
		if isStrange(r, i) && r.Records[i].Kind != KindFrontend {
			bytes += r.Records[i].Size
		}
	}
	return bytes
}

// Pinned returns the vertices, and the bytes, of the plan's records that strange ones
// stand on: they cannot be removed before those are.
func (r *Report) Pinned() (vertices []int32, bytes int64) {
	pinned := make([]bool, len(r.Records))
	for _, i := range slices.Backward(r.order) {
		strange := isStrange(r, i)
		if pinned[i] && r.Verdicts[i].State != Foreign {
			bytes += r.Records[i].Size
			if len(r.of[i]) == 1 {
				vertices = append(vertices, r.of[i][0])
			}
		}
		for _, p := range r.parents[i] {
			pinned[p] = pinned[p] || pinned[i] || strange
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

// Seen is what a look at a cache tells of the sizes of its vertices, in bytes.
type Seen struct {
	// Vertices are what the records of each vertex take, where they are nobody
	// else's.
	Vertices map[int32]int64
	// Former are what records took of what stood in the place of vertices before, made
	// of something else: as good a guess as any of what these will take.
	Former map[int32]int64
	// Made tells which of these will not grow any more: a layer that is unpacked, and
	// a step whose result is compressed, too, since a finished job has it or it was
	// there when the run began.
	Made map[int32]bool
	// Largest are the largest records of vertices. Several of a size may be called like a
	// step's result, of which only one is it.
	Largest map[int32]int64
	// Whole is what the layers take that are pulled and unpacked, Compressed what
	// these are in the registry.
	Whole, Compressed int64
	// Own is, by finished jobs whose records are still there, what they have that no
	// other job has but those that are built on them: of those that made a part of it in this run. What was found in the
	// cache may be less than a job makes.
	Own map[int]int64
}

// NewSeen returns what no look has told yet.
func NewSeen() Seen {
	return Seen{Vertices: map[int32]int64{}, Largest: map[int32]int64{}, Former: map[int32]int64{}, Made: map[int32]bool{}, Own: map[int]int64{}}
}

// Join adds what a look at another cache tells.
func (s *Seen) Join(o Seen) {
	for v, bytes := range o.Vertices {
		s.Vertices[v] = max(s.Vertices[v], bytes)
	}
	for v, bytes := range o.Former {
		s.Former[v] = max(s.Former[v], bytes)
	}
	for v, bytes := range o.Largest {
		s.Largest[v] = max(s.Largest[v], bytes)
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
	whole, made := r.wholeLayers(), map[int]bool{}
	for i := range r.Records {
		rec := &r.Records[i]
		if rec.Size == 0 || len(r.of[i]) != 1 {
			continue
		}
		v := r.of[i][0]
		if r.former[i] {
			s.Former[v] = max(s.Former[v], rec.Size)
			continue
		}
		s.Vertices[v] += rec.Size
		s.Largest[v] = max(s.Largest[v], rec.Size)
		if whole[i] || !r.isLayer(i) && (r.anyFinished(v) || !r.isNew(i)) {
			s.Made[v] = true
		}
		if size := r.shared.Size(v); whole[i] && size > 0 {
			s.Whole, s.Compressed = s.Whole+rec.Size, s.Compressed+size
		}
		if maker := r.makerOf(v); maker != NoJob && r.hasMade(i, maker) {
			s.Own[maker] += rec.Size
			made[maker] = made[maker] || r.isNew(i) && r.shared.Kind(v) != graph.Source
		}
	}
	maps.DeleteFunc(s.Own, func(job int, _ int64) bool { return !made[job] })
	return s
}

// anyFinished tells whether a job that has a vertex is finished. The caller holds the needs' lock.
func (r *Report) anyFinished(v int32) bool {
	return int(r.Needs.all.open[v]) < len(r.shared.JobsOf(v))
}

// hasMade tells whether the record at i is what a finished job has made, which those need
// perhaps that are built on it. The caller holds the needs' lock.
func (r *Report) hasMade(i, maker int) bool {
	v := r.Verdicts[i]
	return r.Needs.jobs[maker].finished != 0 && !v.Layer && (v.Reason == Finished || v.Reason == Needed)
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
