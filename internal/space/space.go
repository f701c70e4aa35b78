// Package space says what fits. It is pure: from the graphs of jobs, what a
// cache holds and what running jobs have still to add, it tells whether the next
// job may start, and how the cache will grow and shrink along a whole plan.
package space

// Limit is how much may be used, in bytes. Used is never brought above High by
// starting a job; above Low, what is dead is removed. Zero stands for no limit.
type Limit struct {
	Low  int64 `json:"low_bytes"`
	High int64 `json:"high_bytes"`
}

// None tells that there is no limit.
func (l Limit) None() bool { return l.High <= 0 }

// Fits tells whether need more bytes can be added to what is used and reserved.
func (l Limit) Fits(used, reserved, need int64) bool {
	return l.None() || used+reserved+need <= l.High
}

// Short returns how many bytes must go before need more fit.
func (l Limit) Short(used, reserved, need int64) int64 {
	if l.Fits(used, reserved, need) {
		return 0
	}
	return used + reserved + need - l.High
}

// Surplus returns how many bytes are used above Low.
func (l Limit) Surplus(used int64) int64 {
	if l.None() {
		return 0
	}
	return max(used-l.Low, 0)
}

// Job is what this package knows of a job.
type Job struct {
	// Vertices are those of its graph, by their numbers. Where the graph is not
	// known there are none.
	Vertices []int32
	// Kind is equal for jobs whose sizes are learned together.
	Kind string
	// Least is what it needs at least, in bytes: it was tried alone with as much.
	Least int64
	// Nothing says that it adds nothing: its image is not built.
	Nothing bool
}

// Book keeps what a cache holds, and what running jobs have reserved and not yet
// used. It is not safe for concurrent use.
type Book struct {
	*Sizes
	// Unseen is what a job is taken to add at least beside others, while it was seen of
	// none of its kind what that adds; 0 for what is guessed.
	Unseen int64

	ended   int             // jobs that have run
	present map[int32]int64 // in bytes
	making  map[int32]int   // by which running job
	running map[int]*reservation
	freed   int64 // see Freed
	pulls   pulls
}

// reservation is what a running job has yet to add.
type reservation struct {
	parts map[int32]int64 // by the vertices that it makes
	own   int64           // beside those, of vertices whose sizes are not known
}

// NewBook returns the book of an empty cache.
func NewBook(sizes *Sizes) *Book {
	return &Book{Sizes: sizes, present: map[int32]int64{}, making: map[int32]int{}, running: map[int]*reservation{}, pulls: newPulls()}
}

// Holds notes what the cache holds now, in bytes by vertex, all others being
// absent. What running jobs had reserved for these is used as far as they go.
func (b *Book) Holds(present map[int32]int64) {
	clear(b.present)
	for v, bytes := range present {
		b.present[v] = bytes
		if job, ok := b.making[v]; ok {
			r := b.running[job]
			expected, _ := b.of(v)
			r.parts[v] = max(min(r.parts[v], expected-bytes), 0)
		}
	}
}

// Held returns the bytes that a cache holds of what a job needs.
func (b *Book) Held(job Job) (bytes int64) {
	for _, v := range job.Vertices {
		bytes += b.present[v]
	}
	return bytes
}

// Has tells whether a cache holds a vertex, or a running job makes it.
func (b *Book) Has(v int32) bool {
	_, present := b.present[v]
	_, made := b.making[v]
	return present || made
}

// Need returns the bytes that a job would add: what is neither there nor being
// made by another job. Known tells that this rests on something seen, of this
// job or of others.
func (b *Book) Need(job Job) (bytes int64, known bool) {
	r, known := b.reserve(job)
	return r.total(), known
}

// reserve is what a job would have to add.
func (b *Book) reserve(job Job) (r *reservation, known bool) {
	r = &reservation{parts: map[int32]int64{}}
	r.own, known = b.expect(job, func(v int32) (bytes int64, there bool) {
		if _, made := b.making[v]; made {
			return 0, true
		}
		bytes, there = b.present[v]
		return bytes, there
	}, func(v int32, bytes int64) { r.parts[v] = bytes })
	if !known && len(b.running) > 0 {
		r.own *= careful
	}
	if len(b.running) > 0 && (r.own > 0 || !known) {
		r.own = max(r.own, b.unseen(job.Kind))
	}
	r.own += max(job.Least-r.total(), 0)
	return r, known
}

// unseen is Unseen as long as there is hope that jobs of a kind will tell.
func (b *Book) unseen(kind string) int64 {
	if b.own[kind] != nil || b.common.ownOf(kind) > 0 || b.ended >= scouts {
		return 0
	}
	return b.Unseen
}

// scouts are the jobs that may end without having told what others add, such as those of
// other kinds; where each is of its own, enough is known then.
const scouts = 4

// careful is how many times a guess counts beside other jobs: one alone can be had too
// small and nothing is lost, many at once come to far more than was thought.
const careful = 2

func (r *reservation) total() int64 {
	total := r.own
	for _, bytes := range r.parts {
		total += bytes
	}
	return total
}

// Start reserves what a job will add; the number is the caller's.
func (b *Book) Start(number int, job Job) {
	b.hold(number, job)
	b.pulls.take(job)
}

func (b *Book) hold(number int, job Job) {
	r, _ := b.reserve(job)
	for v := range r.parts {
		b.making[v] = number
	}
	b.running[number] = r
}

// Used notes that a running job has used a part, from 0 to 1, of what it had
// reserved for its steps.
func (b *Book) Used(number int, part float64) {
	r := b.running[number]
	if r == nil {
		return
	}
	before := r.total()
	defer func() { b.freed += before - r.total() }()
	r.own -= int64(float64(r.own) * part)
	for v, bytes := range r.parts {
		if !b.vertices[v].layer {
			full, _ := b.of(v)
			r.parts[v] = min(bytes, full-int64(float64(full)*part))
		}
	}
}

// Done gives back what a job had reserved. What never arrived counts as not
// there.
func (b *Book) Done(number int) {
	r := b.running[number]
	if r == nil {
		return
	}
	for v := range r.parts {
		delete(b.making, v)
	}
	delete(b.running, number)
	b.freed += r.total()
	b.ended++
}

// Freed is all bytes that have ever been given back: reserved by jobs or being pulled, and
// then not any more. What that has grown by while a cache was listed may be there, and yet
// not in the list.
func (b *Book) Freed() int64 { return b.freed }

// Reserved is the bytes that running jobs have yet to add.
func (b *Book) Reserved() int64 {
	var total int64
	for _, r := range b.running {
		total += r.total()
	}
	return total
}

// Running is the number of jobs that have reserved.
func (b *Book) Running() int { return len(b.running) }
