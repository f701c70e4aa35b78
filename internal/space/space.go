// Package space says what fits. It is pure: from the chains of jobs, what a
// cache holds and what running jobs have still to add, it tells whether the next
// job may start, and how the cache will grow and shrink along a whole plan.
package space

import (
	"github.com/stoker-build/stoker/internal/layers"
)

// Rates are what jobs are expected to add to a cache.
type Rates struct {
	// PerByte is the bytes of cache that a pulled layer takes for each of its
	// compressed bytes: BuildKit keeps the compressed blob and the unpacked
	// snapshot.
	PerByte float64 `json:"cache_bytes_per_pulled_byte"`
	// Own is the bytes that a job adds beside its base layers: the results of
	// its steps, and their compressed form for the push.
	Own int64 `json:"own_bytes_per_job"`
}

// Unknown are the rates to start with: layers that unpack to twice their
// compressed size. What jobs add of their own must be seen first.
var Unknown = Rates{PerByte: 3}

// Layer returns the bytes of cache that a layer takes.
func (r Rates) Layer(l layers.Layer) int64 { return int64(float64(l.Size) * r.PerByte) }

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

// Book keeps which layers a cache holds, and what running jobs have reserved
// and not yet used. It is not safe for concurrent use.
type Book struct {
	Rates Rates

	present map[layers.Key]bool
	pulling map[layers.Key]bool
	running map[int]*reservation
}

// reservation is what a running job has yet to add.
type reservation struct {
	pull map[layers.Key]int64
	own  int64
}

// NewBook returns the book of an empty cache.
func NewBook(rates Rates) *Book {
	return &Book{Rates: rates, present: map[layers.Key]bool{}, pulling: map[layers.Key]bool{}, running: map[int]*reservation{}}
}

// Holds notes which layers the cache holds now, all others being absent. What
// running jobs had reserved for these is used now.
func (b *Book) Holds(present []layers.Key) {
	clear(b.present)
	for _, k := range present {
		b.arrived(k)
	}
}

func (b *Book) arrived(k layers.Key) {
	b.present[k] = true
	if !b.pulling[k] {
		return
	}
	delete(b.pulling, k)
	for _, r := range b.running {
		delete(r.pull, k)
	}
}

// Need returns the bytes that a job on these base images would add: the layers
// that are neither there nor being pulled by another job, and its own.
func (b *Book) Need(bases []layers.Chain) int64 {
	need := b.Own(bases)
	for _, bytes := range b.missing(bases) {
		need += bytes
	}
	return need
}

// Own is the bytes that a job is expected to add of its own. Before any job was seen,
// that is half of what its base images take.
func (b *Book) Own(bases []layers.Chain) int64 {
	if b.Rates.Own > 0 {
		return b.Rates.Own
	}
	var own int64
	for _, c := range bases {
		own += int64(float64(c.Size()) * b.Rates.PerByte / 2)
	}
	return own
}

func (b *Book) missing(bases []layers.Chain) map[layers.Key]int64 {
	missing := map[layers.Key]int64{}
	for _, c := range bases {
		for depth, k := range c.Keys() {
			if !b.present[k] && !b.pulling[k] {
				missing[k] = b.Rates.Layer(c.Layers[depth])
			}
		}
	}
	return missing
}

// Start reserves what a job will add.
func (b *Book) Start(job int, bases []layers.Chain) {
	r := &reservation{pull: b.missing(bases), own: b.Own(bases)}
	for k := range r.pull {
		b.pulling[k] = true
	}
	b.running[job] = r
}

// Pulled notes that a running job has its base images.
func (b *Book) Pulled(job int) {
	if r := b.running[job]; r != nil {
		for k := range r.pull {
			b.arrived(k)
		}
	}
}

// Used notes that a running job has used a part, from 0 to 1, of what it had
// reserved for its own records.
func (b *Book) Used(job int, part float64) {
	if r := b.running[job]; r != nil {
		r.own -= int64(float64(r.own) * part)
	}
}

// Done gives back what a job had reserved. Base layers that never arrived count
// as not there.
func (b *Book) Done(job int) {
	r := b.running[job]
	if r == nil {
		return
	}
	for k := range r.pull {
		delete(b.pulling, k)
	}
	delete(b.running, job)
}

// Reserved is the bytes that running jobs have yet to add.
func (b *Book) Reserved() int64 {
	var total int64
	for _, r := range b.running {
		total += r.own
		for _, bytes := range r.pull {
			total += bytes
		}
	}
	return total
}

// Running is the number of jobs that have reserved.
func (b *Book) Running() int { return len(b.running) }
