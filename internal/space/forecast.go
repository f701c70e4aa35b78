package space

import (
	"github.com/stoker-build/stoker/internal/layers"
)

// Plan is what a forecast is made from.
type Plan struct {
	// Jobs are the base images of each job, in the order of the run.
	Jobs    [][]layers.Chain
	Workers int
	Rates   Rates
	// Limit bounds what is used, Used is what is used at the start; of that,
	// Reclaimable can be removed as if it were dead.
	Limit       Limit
	Used        int64
	Reclaimable int64
	// Batch is the number of jobs after which all that is dead is removed; 0
	// when it is removed only above Limit.Low.
	Batch int
	// Keep says that nothing is ever removed.
	Keep bool
}

// Forecast is how a cache will grow and shrink along a plan. Sizes are in bytes
// of cache, but for those of the registry, which are compressed.
type Forecast struct {
	Jobs int `json:"jobs"`
	// PullBytes are the different layers' compressed bytes, SharedBytes what
	// sharing them saves.
	PullBytes   int64 `json:"pull_bytes"`
	SharedBytes int64 `json:"shared_bytes"`
	// PeakBytes is the most that will be used, what is used at the start
	// included.
	PeakBytes int64 `json:"peak_bytes"`
	// LeastBytes is the least that this order needs with this many workers: the
	// layers that are needed again, and what the running jobs hold.
	LeastBytes int64 `json:"least_bytes"`
	// SmallestBytes is LeastBytes for one worker: with less, some image cannot
	// be built without pulling a layer twice.
	SmallestBytes int64 `json:"smallest_bytes"`
	// TotalBytes is what the cache would hold if nothing were removed.
	TotalBytes int64 `json:"total_bytes"`
	// Fits tells that SmallestBytes is within the limit.
	Fits bool `json:"fits"`
	// Waits is how often a free worker will have to wait for space.
	Waits int `json:"waits"`
	// Curve is what is used as each job starts, thinned to at most CurvePoints.
	Curve []int64 `json:"curve"`
	Rates Rates   `json:"rates"`
}

// CurvePoints is the most points that a forecast's curve has.
const CurvePoints = 200

// Simulate makes the forecast of a plan, with the order, the liveness and the
// admission of a real run. Jobs take equal time and finish in their order.
func Simulate(p Plan) Forecast {
	s := newSimulation(p)
	for i := range p.Jobs {
		s.admit(i)
	}
	for len(s.running) > 0 {
		s.finish()
	}
	f := Forecast{Jobs: len(p.Jobs), PeakBytes: s.peak, TotalBytes: p.Used + s.added, Waits: s.waits, Rates: p.Rates, Curve: thin(s.curve)}
	f.PullBytes, f.SharedBytes = pulls(p.Jobs)
	f.LeastBytes = p.Used - p.Reclaimable + s.least(max(p.Workers, 1))
	f.SmallestBytes = p.Used - p.Reclaimable + s.least(1)
	f.Fits = p.Limit.None() || f.SmallestBytes <= p.Limit.High
	return f
}

type simulation struct {
	Plan
	book    *Book
	last    map[layers.Key]int   // the last job that needs a layer
	first   map[layers.Key]int   // and the first
	bytes   map[layers.Key]int64 // of cache
	running []int
	used    int64
	dead    int64
	peak    int64
	added   int64
	waits   int
	curve   []int64
}

func newSimulation(p Plan) *simulation {
	s := &simulation{Plan: p, book: NewBook(p.Rates), used: p.Used, peak: p.Used, dead: p.Reclaimable,
		first: map[layers.Key]int{}, last: map[layers.Key]int{}, bytes: map[layers.Key]int64{}}
	for i, bases := range p.Jobs {
		for _, c := range bases {
			for depth, k := range c.Keys() {
				if _, seen := s.first[k]; !seen {
					s.first[k], s.bytes[k] = i, p.Rates.Layer(c.Layers[depth])
				}
				s.last[k] = i
			}
		}
	}
	return s
}

// admit starts a job as soon as a worker and space are free.
func (s *simulation) admit(i int) {
	for len(s.running) >= max(s.Workers, 1) {
		s.finish()
	}
	need := s.book.Need(s.Jobs[i])
	for waited := false; !s.Limit.Fits(s.used, s.book.Reserved(), need); need = s.book.Need(s.Jobs[i]) {
		s.free(s.Limit.Short(s.used, s.book.Reserved(), need))
		if s.Limit.Fits(s.used, s.book.Reserved(), need) || len(s.running) == 0 {
			break
		}
		if !waited {
			s.waits, waited = s.waits+1, true
		}
		s.finish()
	}
	pulls := need - s.book.Own(s.Jobs[i])
	s.book.Start(i, s.Jobs[i])
	s.book.Pulled(i)
	s.running = append(s.running, i)
	s.add(pulls)
	s.curve = append(s.curve, s.used)
}

// finish ends the job that runs longest. Its own records are all there then.
func (s *simulation) finish() {
	i := s.running[0]
	s.running = s.running[1:]
	own := s.book.Own(s.Jobs[i])
	s.add(own)
	s.book.Done(i)
	s.dead += own
	for _, c := range s.Jobs[i] {
		for _, k := range c.Keys() {
			if s.last[k] == i && s.bytes[k] > 0 {
				s.dead += s.bytes[k]
				s.bytes[k] = 0
			}
		}
	}
	switch {
	case s.Batch > 0 && (i+1)%s.Batch == 0:
		s.free(s.dead)
	case s.Batch == 0:
		s.free(s.Limit.Surplus(s.used))
	}
}

func (s *simulation) add(bytes int64) {
	s.used += bytes
	s.added += bytes
	s.peak = max(s.peak, s.used)
}

// free removes as much of what is dead as is asked for.
func (s *simulation) free(bytes int64) {
	if s.Keep {
		return
	}
	bytes = min(max(bytes, 0), s.dead)
	s.dead -= bytes
	s.used -= bytes
}

// least returns the bytes of the layers that are needed again, and of what
// running jobs hold, at the worst moment.
func (s *simulation) least(workers int) int64 {
	change := make([]int64, len(s.Jobs)+1)
	bytes := map[layers.Key]int64{}
	for i, bases := range s.Jobs {
		for _, c := range bases {
			for depth, k := range c.Keys() {
				if s.first[k] == i && bytes[k] == 0 {
					bytes[k] = s.Rates.Layer(c.Layers[depth])
					change[max(i-workers+1, 0)] += bytes[k]
					change[s.last[k]+1] -= bytes[k]
				}
			}
		}
	}
	for i, bases := range s.Jobs {
		own := s.book.Own(bases)
		change[max(i-workers+1, 0)] += own
		change[i+1] -= own
	}
	var now, most int64
	for _, c := range change {
		now += c
		most = max(most, now)
	}
	return most
}

// pulls returns the compressed bytes of the different layers, and of those that
// several jobs share and that are not pulled again.
func pulls(jobs [][]layers.Chain) (unique, shared int64) {
	seen := map[layers.Key]bool{}
	for _, bases := range jobs {
		for _, c := range bases {
			for depth, k := range c.Keys() {
				if seen[k] {
					shared += c.Layers[depth].Size
					continue
				}
				seen[k] = true
				unique += c.Layers[depth].Size
			}
		}
	}
	return unique, shared
}

// thin keeps the largest value of each of at most CurvePoints stretches.
func thin(curve []int64) []int64 {
	step := (len(curve) + CurvePoints - 1) / CurvePoints
	if step <= 1 {
		return curve
	}
	var out []int64
	for i := 0; i < len(curve); i += step {
		most := curve[i]
		for _, v := range curve[i:min(i+step, len(curve))] {
			most = max(most, v)
		}
		out = append(out, most)
	}
	return out
}
