package graph

import "slices"

// Shared is the graphs of all jobs as one: what several jobs have is one vertex.
// Jobs and vertices are numbered, jobs by the caller. It is not safe for
// concurrent use while a graph is set.
type Shared struct {
	vertices []node
	index    map[ID]int32
	upon     map[place][]int32
	above    map[int32][]int32
	chains   map[string][][]int32
	paths    [][]int32
	texts    map[string]string
}

// node is a vertex with its inputs by their numbers.
type node struct {
	id      ID
	kind    Kind
	name    string
	size    int64
	inputs  []int32
	results []result
	jobs    []int32 // sorted
}

type result struct {
	description string
	on          []int32
}

// place is where a record is looked for: what it is stacked on, and how it is
// described.
type place struct {
	on          int32 // the first of several; nothing for none
	description string
}

// Nothing stands for a vertex where there is none.
const Nothing int32 = -1

// NewShared returns the graph of no jobs.
func NewShared() *Shared {
	return &Shared{index: map[ID]int32{}, upon: map[place][]int32{}, above: map[int32][]int32{}, chains: map[string][][]int32{}, texts: map[string]string{}}
}

// Set gives a job its graph, in place of one that it had. Vertices that no job
// has any more are still known, with no jobs.
func (s *Shared) Set(job int, g Graph) {
	for len(s.paths) <= job {
		s.paths = append(s.paths, nil)
	}
	for _, v := range s.paths[job] {
		s.vertices[v].jobs = without(s.vertices[v].jobs, int32(job))
	}
	path := make([]int32, 0, len(g.Vertices))
	for i := range g.Vertices {
		v := s.intern(&g.Vertices[i])
		s.vertices[v].jobs = with(s.vertices[v].jobs, int32(job))
		path = append(path, v)
	}
	s.paths[job] = path
	for _, image := range g.Images {
		s.addChain(image)
	}
}

// intern returns the number of a vertex, a new one where it is not known yet.
// What is known of a layer's size is kept.
func (s *Shared) intern(v *Vertex) int32 {
	at, known := s.index[v.ID]
	if !known {
		at = int32(len(s.vertices))
		s.index[v.ID] = at
		n := node{id: v.ID, kind: v.Kind, name: s.text(v.Name), inputs: s.numbers(v.Inputs)}
		for _, r := range v.Results {
			n.results = append(n.results, result{s.text(r.Description), s.numbers(r.On)})
		}
		s.vertices = append(s.vertices, n)
		s.place(at)
	}
	if v.Size > 0 {
		s.vertices[at].size = v.Size
	}
	return at
}

// place notes where a vertex's records are to be looked for.
func (s *Shared) place(at int32) {
	n := &s.vertices[at]
	if n.kind == Layer || n.kind == Any {
		on := Nothing
		if len(n.inputs) > 0 {
			on = n.inputs[0]
		}
		// No description is that of a layer, or is unknown: see Layers and Anything.
		p := place{on, layerPlace}
		if n.kind == Any {
			p.description = anyPlace
		}
		s.upon[p] = append(s.upon[p], at)
		return
	}
	for _, r := range n.results {
		on := Nothing
		if len(r.on) > 0 {
			on = r.on[0]
		}
		p := place{on, r.description}
		if !slices.Contains(s.upon[p], at) {
			s.upon[p] = append(s.upon[p], at)
		}
		if on != Nothing && !slices.Contains(s.above[on], at) {
			s.above[on] = append(s.above[on], at)
		}
	}
}

// No record is described by these.
const (
	layerPlace = "\x00layer"
	anyPlace   = "\x00any"
)

func (s *Shared) numbers(ids []ID) []int32 {
	if len(ids) == 0 {
		return nil
	}
	out := make([]int32, 0, len(ids))
	for _, id := range ids {
		if at, ok := s.index[id]; ok {
			out = append(out, at)
		}
	}
	return out
}

// text returns the one copy of a string: the same steps stand in many graphs.
func (s *Shared) text(t string) string {
	if known, ok := s.texts[t]; ok {
		return known
	}
	s.texts[t] = t
	return t
}

func (s *Shared) addChain(image Image) {
	chain := s.numbers(image.Layers)
	for _, name := range []string{image.Digest, image.Manifest} {
		same := func(known []int32) bool { return slices.Equal(known, chain) }
		if name != "" && !slices.ContainsFunc(s.chains[name], same) {
			s.chains[name] = append(s.chains[name], chain)
		}
	}
}

// Len is the number of vertices.
func (s *Shared) Len() int { return len(s.vertices) }

// Jobs is one more than the highest number of a job.
func (s *Shared) Jobs() int { return len(s.paths) }

// Path returns the vertices of a job, each after its inputs. The caller must not
// change it.
func (s *Shared) Path(job int) []int32 {
	if job >= len(s.paths) {
		return nil
	}
	return s.paths[job]
}

// JobsOf returns the jobs that have a vertex, in their order. The caller must not
// change it.
func (s *Shared) JobsOf(v int32) []int32 { return s.vertices[v].jobs }

// Find returns the number of a vertex.
func (s *Shared) Find(id ID) (int32, bool) {
	at, ok := s.index[id]
	return at, ok
}

// Alias makes a vertex known by another identity, too.
func (s *Shared) Alias(id ID, v int32) { s.index[id] = v }

// ID returns the identity of a vertex.
func (s *Shared) ID(v int32) ID { return s.vertices[v].id }

// LayersTo returns the identities of the layers up to one, bottom first.
func (s *Shared) LayersTo(v int32) []ID {
	var ids []ID
	for {
		ids = append(ids, s.vertices[v].id)
		if len(s.vertices[v].inputs) == 0 {
			slices.Reverse(ids)
			return ids
		}
		v = s.vertices[v].inputs[0]
	}
}

// Kind returns what a vertex is.
func (s *Shared) Kind(v int32) Kind { return s.vertices[v].kind }

// Name returns the name of a vertex.
func (s *Shared) Name(v int32) string { return s.vertices[v].name }

// Size returns a layer's compressed size in bytes, 0 where it is not known.
func (s *Shared) Size(v int32) int64 { return s.vertices[v].size }

// SetSize notes the compressed size of a layer in bytes.
func (s *Shared) SetSize(layer ID, bytes int64) {
	if v, known := s.index[layer]; known {
		s.vertices[v].size = bytes
	}
}

// Inputs returns what a vertex is made from. The caller must not change it.
func (s *Shared) Inputs(v int32) []int32 { return s.vertices[v].inputs }

// Results is the number of records that a vertex leaves.
func (s *Shared) Results(v int32) int { return len(s.vertices[v].results) }

// Result returns the description of a vertex's record and what that stands on.
func (s *Shared) Result(v int32, i int) (description string, on []int32) {
	r := &s.vertices[v].results[i]
	return r.description, r.on
}

// Upon returns the vertices with a record of a normalized description whose
// first parent is of the vertex on, or that has no parents for Nothing. The
// caller must not change it.
func (s *Shared) Upon(on int32, description string) []int32 { return s.upon[place{on, description}] }

// Layers returns the layers right above a layer, or the bottom ones for Nothing.
func (s *Shared) Layers(on int32) []int32 { return s.upon[place{on, layerPlace}] }

// Anything returns the vertices that stand for whatever is built upon a vertex.
func (s *Shared) Anything(on int32) []int32 { return s.upon[place{on, anyPlace}] }

// Above returns the vertices with a record whose first parent is of the vertex
// on. The caller must not change it.
func (s *Shared) Above(on int32) []int32 { return s.above[on] }

// Chains returns the layers of the images that a digest stands for, bottom
// first: those of several platforms where it is an index.
func (s *Shared) Chains(digest string) [][]int32 { return s.chains[digest] }

func with(sorted []int32, n int32) []int32 {
	at, has := slices.BinarySearch(sorted, n)
	if has {
		return sorted
	}
	return slices.Insert(sorted, at, n)
}

func without(sorted []int32, n int32) []int32 {
	at, has := slices.BinarySearch(sorted, n)
	if !has {
		return sorted
	}
	return slices.Delete(sorted, at, at+1)
}
