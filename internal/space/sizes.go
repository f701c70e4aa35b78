package space

import (
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
)

// Rates are what jobs are expected to add to a cache, before that was seen.
type Rates struct {
	// PerByte is the bytes of cache that a pulled layer takes for each of its
	// compressed bytes: BuildKit keeps the compressed blob and the unpacked
	// snapshot.
	PerByte float64 `json:"cache_bytes_per_pulled_byte"`
	// Own is the bytes that a job adds beside what other jobs have, too: the
	// results of its steps, and their compressed form for the push. 0: not known.
	Own int64 `json:"own_bytes_per_job"`
}

// Unknown are the rates to start with: layers that unpack to twice their
// compressed size. What jobs add of their own must be seen first.
var Unknown = Rates{PerByte: 3}

// Sizes are what the vertices of the jobs' graph take in a cache, as far as that
// is known: from the layers' compressed sizes, and from what was seen. It is not
// safe for concurrent use.
type Sizes struct {
	Rates Rates

	vertices []vertex
	like     map[string]*recent // of steps with the same description
	own      map[string]*recent // of jobs of the same kind
	owns     recent             // of all jobs
	layers   recent             // of layers whose compressed sizes are not known
	common   *Common            // what other nodes have seen; nil for nothing
}

type vertex struct {
	layer  bool
	step   bool     // which takes something: a merge has its inputs' files
	source bool     // a directory that is sent, or what is fetched
	size   int64    // compressed
	blob   graph.ID // what a layer is by itself
	like   string   // the step's description
	shared bool     // several jobs have it
	seen   int64    // the most that its records were seen to take
	made   int64    // the same, once they did not grow any more
	most   int64    // the most that one of its records was seen to take
}

// recent are the last few of what was seen.
type recent []int64

// How many are remembered to tell what the next will take.
const remembered = 20

func (r *recent) add(bytes int64) {
	*r = append(*r, bytes)
	*r = (*r)[max(len(*r)-remembered, 0):]
}

// Share has what is seen be known to other nodes, and what they see here.
func (s *Sizes) Share(c *Common) { s.common = c }

// NewSizes returns the sizes of no vertices yet.
func NewSizes(rates Rates) *Sizes {
	if rates.PerByte == 0 {
		rates.PerByte = Unknown.PerByte
	}
	return &Sizes{Rates: rates, like: map[string]*recent{}, own: map[string]*recent{}}
}

// Clone returns the sizes as they are known now.
func (s *Sizes) Clone() *Sizes {
	c := *s
	c.vertices, c.owns, c.layers = slices.Clone(s.vertices), slices.Clone(s.owns), slices.Clone(s.layers)
	c.like, c.own = cloneRecent(s.like), cloneRecent(s.own)
	return &c
}

func cloneRecent(m map[string]*recent) map[string]*recent {
	c := make(map[string]*recent, len(m))
	for k, r := range m {
		clone := slices.Clone(*r)
		c[k] = &clone
	}
	return c
}

// Know takes the vertices of the jobs' graph, whose numbers are used here, too.
func (s *Sizes) Know(g *graph.Shared) {
	for v := range int32(g.Len()) {
		if int(v) == len(s.vertices) {
			n := vertex{layer: g.Kind(v) == graph.Layer, source: g.Kind(v) == graph.Source,
				step: (g.Kind(v) == graph.Step || g.Kind(v) == graph.Any) && !g.Merges(v)}
			if g.Results(v) > 0 {
				n.like, _ = g.Result(v, 0)
			}
			s.vertices = append(s.vertices, n)
		}
		s.vertices[v].size, s.vertices[v].blob = g.Size(v), g.Content(v)
		s.vertices[v].shared = len(g.JobsOf(v)) > 1
	}
}

// Seen notes what the records of a vertex take. While it is being made, or
// compressed, that grows, and tells nothing of its like; made says that it will not.
func (s *Sizes) Seen(v int32, bytes int64, made bool) {
	n := &s.vertices[v]
	n.seen = max(n.seen, bytes)
	if !made || n.seen <= n.made {
		return
	}
	first := n.made == 0
	n.made = n.seen
	s.common.noteMade(v, n.made)
	switch {
	case n.layer && n.size == 0 && first:
		s.layers.add(n.made)
	case n.step, n.source:
		if s.like[n.like] == nil {
			s.like[n.like] = &recent{}
		}
		s.like[n.like].add(n.made)
	}
}

// SeenFormer notes what stood in the place of a vertex that was not made yet.
func (s *Sizes) SeenFormer(v int32, bytes int64) {
	if n := &s.vertices[v]; n.step && s.like[n.like] == nil {
		s.like[n.like] = &recent{bytes}
	}
}

// SeenOne notes what the largest record of a vertex takes.
func (s *Sizes) SeenOne(v int32, bytes int64) { s.vertices[v].most = max(s.vertices[v].most, bytes) }

// Each tells what the largest records of vertices were seen to take, at most.
func (s *Sizes) Each(tell func(v int32, bytes int64)) {
	for v := range s.vertices {
		if most := s.vertices[v].most; most > 0 {
			tell(int32(v), most)
		}
	}
}

// SeenOwn notes what a finished job has added that no other job has.
func (s *Sizes) SeenOwn(kind string, bytes int64) {
	if s.own[kind] == nil {
		s.own[kind] = &recent{}
	}
	s.own[kind].add(bytes)
	s.owns.add(bytes)
	s.common.noteOwn(kind, bytes)
	s.Rates.Own = slices.Max(s.owns)
}

// SawOwn tells whether it was seen what jobs add of their own.
func (s *Sizes) SawOwn() bool { return len(s.owns) > 0 }

// of returns what a vertex takes once it is made, and whether that is known.
func (s *Sizes) of(v int32) (bytes int64, known bool) {
	n := &s.vertices[v]
	switch {
	case n.layer && n.size > 0:
		return max(int64(float64(n.size)*s.Rates.PerByte), n.seen), true
	case n.seen > 0 && (n.made > 0 || !n.step):
		return n.seen, true
	case s.common.madeOf(v) > 0: // another node has made it
		return max(s.common.madeOf(v), n.seen), true
	case (n.step || n.source) && s.like[n.like] != nil:
		return max(slices.Max(*s.like[n.like]), n.seen), true
	case n.seen > 0:
		return 2 * n.seen, true // its compressed form may be as large
	case n.size > 0: // a job's image, which another node has made
		return int64(float64(n.size) * s.Rates.PerByte), true
	case n.layer && len(s.layers) > 0:
		return mean(s.layers), false
	case n.layer:
		return assumedLayer, false
	}
	return 0, !n.step // a context is small, or there already
}

// assumedLayer is what a layer is taken to be while no size of any is known.
const assumedLayer = 100 << 20

func mean(r recent) int64 {
	var sum int64
	for _, bytes := range r {
		sum += bytes
	}
	return sum / int64(len(r))
}

// grows returns what a vertex that takes some bytes will yet add: the result of a
// step is compressed for the push.
func (s *Sizes) grows(v int32, bytes int64) int64 {
	if n := &s.vertices[v]; !n.step || n.made > 0 {
		return 0
	}
	full, _ := s.of(v)
	return max(full-bytes, 0)
}

// expect tells what a job adds of the vertices that are not there or not whole, by
// vertex where that is known, and returns what it is expected to add beside these.
// There tells of a vertex whether it is, or will be without the job, and what it
// takes now. Known tells that something like the job was seen.
func (s *Sizes) expect(job Job, there func(v int32) (bytes int64, there bool), part func(v int32, bytes int64)) (rest int64, known bool) {
	var layers, own int64
	unknown, sure := len(job.Vertices) == 0 && !job.Nothing, true
	unknownShared := false
	for _, v := range job.Vertices {
		bytes, ok := s.of(v)
		if s.vertices[v].layer {
			layers += bytes
		} else if !s.vertices[v].shared {
			own += bytes
		}
		if has, is := there(v); is {
			if more := s.grows(v, has); has > 0 && more > 0 {
				part(v, more)
			}
			continue
		}
		if s.vertices[v].step && !ok {
			unknownShared = unknownShared || s.vertices[v].shared
			unknown = unknown || !s.vertices[v].shared
			continue
		}
		part(v, bytes)
		sure = sure && ok
	}
	if !unknown && !unknownShared {
		return 0, sure
	}
	guess, known := s.guessOwn(job.Kind, layers)
	if unknown {
		rest = max(guess-own, 0)
	}
	if unknownShared { // such as of an image that another node has made: about as much again
		rest += guess
	}
	return rest, known && sure
}

// guessOwn is what a job adds of its own: what its like did, here or else elsewhere, else
// what any job did, else half of what its base images take.
func (s *Sizes) guessOwn(kind string, layers int64) (bytes int64, known bool) {
	switch {
	case s.own[kind] != nil:
		return slices.Max(*s.own[kind]), true
	case s.common.ownOf(kind) > 0:
		return s.common.ownOf(kind), true
	case s.Rates.Own > 0:
		return s.Rates.Own, true
	}
	return layers / 2, false
}

// ExpectMore has jobs be expected to add twice as much of their own, up to a
// bound, until that is seen: a job that filled the disk adds more than was
// thought, and would be let in again to do the same.
func (s *Sizes) ExpectMore(job Job, most int64) {
	if s.SawOwn() {
		return
	}
	var layers int64
	for _, v := range job.Vertices {
		if bytes, _ := s.of(v); s.vertices[v].layer {
			layers += bytes
		}
	}
	guess, _ := s.guessOwn(job.Kind, layers)
	s.Rates.Own = min(2*guess, most)
}
