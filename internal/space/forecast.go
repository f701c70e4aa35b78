package space

import "github.com/stoker-build/stoker/internal/graph"

// Plan is what a forecast is made from.
type Plan struct {
	// Jobs are in the order of the run.
	Jobs    []Job
	Workers int
	Sizes   *Sizes
	// Present are the vertices that the cache has already.
	Present []int32
	// Pinned are those of them that stay, since others' records stand on them.
	Pinned []int32
	// Limit bounds what is used, Used is what is used at the start; of that,
	// Reclaimable is dead or left over, and Live what jobs may need, and goes when none
	// does: what earlier runs made in their place may look like theirs until they are built.
	Limit       Limit
	Used        int64
	Reclaimable int64
	Live        int64
	// Batch is the number of jobs after which all that is dead is removed; 0
	// when it is removed only above Limit.Low.
	Batch int
	// Keep says that nothing is ever removed.
	Keep bool
}

// Forecast is how a cache will grow and shrink along a plan. Sizes are in bytes
// of cache, but for those of the registry, which are compressed.
//
// Large: its fields are those of the output, which programs read.
type Forecast struct {
	Jobs int `json:"jobs"`
	// Unknown is the number of jobs of which it is not known what they do: they
	// are in no other figure.
	Unknown int `json:"unknown_jobs"`
	// Guessed is the number of jobs whose own size is only a guess, since nothing
	// like them was seen before.
	Guessed int `json:"guessed_jobs"`
	// GuessedBytes is the most that one of these is assumed to add.
	GuessedBytes int64 `json:"guessed_bytes"`
	// PullBytes are the different layers' compressed bytes, SharedBytes what
	// sharing them saves.
	PullBytes   int64 `json:"pull_bytes"`
	SharedBytes int64 `json:"shared_bytes"`
	// PeakBytes is the most that will be used, what is used at the start
	// included.
	PeakBytes int64 `json:"peak_bytes"`
	// LeastBytes is the least that this order needs with this many workers: what
	// is needed again, and what the running jobs hold.
	LeastBytes int64 `json:"least_bytes"`
	// SmallestBytes is LeastBytes for one worker: with less, some image cannot
	// be built without making something twice.
	SmallestBytes int64 `json:"smallest_bytes"`
	// TotalBytes is what the cache would hold if nothing were removed.
	TotalBytes int64 `json:"total_bytes"`
	// Fits tells that SmallestBytes is within the limit: of the jobs of which it is
	// known what they do.
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
	unknown := 0
	known := make([]Job, 0, len(p.Jobs))
	for _, j := range p.Jobs {
		if len(j.Vertices) == 0 {
			unknown++
			continue
		}
		known = append(known, j)
	}
	p.Jobs = known
	s := newSimulation(p)
	f := &s.forecast
	f.Jobs, f.Unknown = len(known), unknown
	f.LeastBytes = s.others() + s.least(max(p.Workers, 1))
	f.SmallestBytes = s.others() + s.least(1)
	for i := range p.Jobs {
		s.admit(i)
	}
	for len(s.running) > 0 {
		s.finish()
	}
	if f.Waits == 0 { // what the jobs get along with, they need at most
		f.LeastBytes, f.SmallestBytes = min(f.LeastBytes, f.PeakBytes), min(f.SmallestBytes, f.PeakBytes)
	}
	f.Curve = thin(f.Curve)
	f.PullBytes, f.SharedBytes = s.pulls()
	f.Fits = p.Limit.None() || f.SmallestBytes <= p.Limit.High
	return *f
}

// simulation is a plan as it runs, and the forecast that comes of it.
type simulation struct {
	Plan
	forecast    Forecast
	first, last []int32 // by vertex, the first and the last job that has it; -1 for none
	bytes       []int64 // by vertex, what it takes while it is not there
	there       []bool  // by vertex
	own         []int64 // by job, what it adds beside its vertices; while it runs, all that it has yet to add
	kept        []int64 // by job, of that, what later jobs need, too
	running     []int
	reserved    int64
	used        int64
	dead        int64
}

func newSimulation(p Plan) *simulation {
	n := len(p.Sizes.vertices)
	s := &simulation{Plan: p, forecast: Forecast{Rates: p.Sizes.Rates, PeakBytes: p.Used, TotalBytes: p.Used}, used: p.Used, dead: p.Reclaimable,
		first: make([]int32, n), last: make([]int32, n), bytes: make([]int64, n), there: make([]bool, n), own: make([]int64, len(p.Jobs)), kept: make([]int64, len(p.Jobs))}
	for v := range s.first {
		s.first[v], s.last[v] = -1, -1
	}
	for _, v := range p.Present {
		s.there[v] = true
	}
	pinned := make(map[int32]bool, len(p.Pinned))
	for _, v := range p.Pinned {
		pinned[v] = true
	}
	none := func(int32, int64) {}
	for i, j := range p.Jobs {
		for _, v := range j.Vertices {
			if s.first[v] < 0 {
				s.first[v] = int32(i)
				if !pinned[v] { // else it takes what it takes whatever the run does
					s.bytes[v], _ = p.Sizes.of(v)
				}
			}
			s.last[v] = int32(i)
		}
		var known bool
		s.own[i], known = p.Sizes.expect(j, func(v int32) (int64, bool) { return 0, s.there[v] || s.first[v] < int32(i) }, none)
		if !known {
			s.forecast.Guessed++
			s.forecast.GuessedBytes = max(s.forecast.GuessedBytes, s.own[i])
		}
	}
	return s
}

// need is what a job adds now.
func (s *simulation) need(i int) int64 {
	need := s.own[i]
	for _, v := range s.Jobs[i].Vertices {
		if !s.there[v] {
			need += s.bytes[v]
		}
	}
	return need
}

// admit starts a job as soon as a worker and space are free. Its layers are
// there at once, and its steps' results when it ends.
func (s *simulation) admit(i int) {
	for len(s.running) >= max(s.Workers, 1) {
		s.finish()
	}
	for waited := false; !s.Limit.Fits(s.used, s.reserved, s.need(i)); {
		s.free(s.Limit.Short(s.used, s.reserved, s.need(i)))
		if s.Limit.Fits(s.used, s.reserved, s.need(i)) || len(s.running) == 0 {
			break
		}
		if !waited {
			s.forecast.Waits, waited = s.forecast.Waits+1, true
		}
		s.finish()
	}
	s.running = append(s.running, i)
	for _, v := range s.Jobs[i].Vertices {
		if s.there[v] {
			continue
		}
		s.there[v] = true
		if s.Sizes.vertices[v].layer {
			s.add(s.bytes[v])
		} else {
			s.own[i] += s.bytes[v]
			s.kept[i] += s.bytes[v]
		}
	}
	s.reserved += s.own[i]
	s.forecast.Curve = append(s.forecast.Curve, s.used)
}

// finish ends the job that runs longest. Its own records are all there then.
func (s *simulation) finish() {
	i := s.running[0]
	s.running = s.running[1:]
	s.reserved -= s.own[i]
	s.add(s.own[i])
	s.dead += s.own[i] - s.kept[i]
	for _, v := range s.Jobs[i].Vertices {
		if s.last[v] == int32(i) && s.bytes[v] > 0 {
			s.dead += s.bytes[v]
			s.bytes[v] = 0
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
	s.forecast.TotalBytes += bytes
	s.forecast.PeakBytes = max(s.forecast.PeakBytes, s.used)
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

// others is what is used at the start and neither the plan's nor removable.
func (s *simulation) others() int64 { return max(s.Used-s.Reclaimable-s.Live, 0) }

// least returns the bytes of what is needed again, and of what running jobs
// hold, at the worst moment. It is asked before the simulation begins.
func (s *simulation) least(workers int) int64 {
	change := make([]int64, len(s.Jobs)+1)
	for v, first := range s.first {
		if first >= 0 {
			change[max(int(first)-workers+1, 0)] += s.bytes[v]
			change[s.last[v]+1] -= s.bytes[v]
		}
	}
	for i, own := range s.own {
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

// pulls returns the compressed bytes of the different layers that are not there
// yet, and of those that several jobs share and that are not pulled again: also not
// where the same stands upon others, since its blob is there.
func (s *simulation) pulls() (unique, shared int64) {
	here := make([]bool, len(s.there))
	blobs := map[graph.ID]bool{}
	pull := func(v int32) (anew bool) {
		blob := s.Sizes.vertices[v].blob
		anew = !here[v] && !blobs[blob]
		here[v], blobs[blob] = true, blob != graph.ID{}
		return anew
	}
	for _, v := range s.Present {
		pull(v)
	}
	for _, j := range s.Jobs {
		for _, v := range j.Vertices {
			if size := s.Sizes.vertices[v].size; pull(v) {
				unique += size
			} else {
				shared += size
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
