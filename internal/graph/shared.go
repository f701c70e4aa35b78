package graph

import (
	"slices"
	"strings"
)

// Shared is the graphs of all jobs as one: what several jobs have is one vertex.
// Jobs and vertices are numbered, jobs by the caller. It is not safe for
// concurrent use while a graph is set.
type Shared struct {
	vertices []node
	index    map[ID]int32
	self     []int32 // each vertex at its own place
	upon     lists[place]
	above    lists[int32]
	chains   map[string][][]int32
	paths    [][]int32
	texts    []string // the records' descriptions, each once
	text     map[string]int32
	also     map[int32][]alias
}

// node is a vertex with its inputs by their numbers.
type node struct {
	id      ID
	name    string
	size    int64
	inputs  []int32
	results []result
	jobs    []int32 // sorted
	kind    Kind
}

type result struct {
	on   []int32
	text int32 // its description
}

// alias is another description of a result: what a COPY or a WORKDIR is called is
// not part of its identity, and the record is called as the job says that made it.
type alias struct {
	result int
	text   int32
}

// place is where a record is looked for: what it is stacked on, and how it is
// described.
type place struct {
	on   int32 // the first of several; Nothing for none
	text int32
}

// No record is described by these.
const (
	layerText int32 = -1 // that of a layer
	anyText   int32 = -2 // that of whatever is built upon a vertex
)

// Nothing stands for a vertex where there is none.
const Nothing int32 = -1

// NewShared returns the graph of no jobs.
func NewShared() *Shared {
	return &Shared{index: map[ID]int32{}, upon: lists[place]{of: map[place]int32{}}, above: lists[int32]{of: map[int32]int32{}},
		chains: map[string][][]int32{}, text: map[string]int32{}, also: map[int32][]alias{}}
}

// lists are lists of vertices by keys. Nearly all are of one vertex.
type lists[K comparable] struct {
	of   map[K]int32 // the only vertex, or -n for the nth list
	long [][]int32
}

// add appends a vertex, which may be the last one already.
func (l *lists[K]) add(key K, v int32) {
	switch at, known := l.of[key]; {
	case !known:
		l.of[key] = v
	case at < 0:
		if list := l.long[-at-1]; list[len(list)-1] != v {
			l.long[-at-1] = append(list, v)
		}
	case at != v:
		l.long = append(l.long, []int32{at, v})
		l.of[key] = int32(-len(l.long))
	}
}

func (l *lists[K]) get(key K, self []int32) []int32 {
	switch at, known := l.of[key]; {
	case !known:
		return nil
	case at < 0:
		return l.long[-at-1]
	default:
		return self[at : at+1 : at+1]
	}
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
	s.AddImages(g.Images)
}

// AddImages has the digests of images stand for their layers, which must be known.
func (s *Shared) AddImages(images []Image) {
	for _, image := range images {
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
		s.self = append(s.self, at)
		s.vertices = append(s.vertices, node{id: v.ID, kind: v.Kind, name: v.Name, inputs: s.numbers(v.Inputs)})
		s.place(at, v.Results)
	} else {
		s.describe(at, v.Results)
	}
	if v.Size > 0 {
		s.vertices[at].size = v.Size
	}
	return at
}

// place notes a vertex's records, and where they are to be looked for.
func (s *Shared) place(at int32, results []Result) {
	n := &s.vertices[at]
	switch n.kind {
	case Layer:
		s.upon.add(place{first(n.inputs), layerText}, at)
	case Any:
		s.upon.add(place{first(n.inputs), anyText}, at)
	default:
		n.results = make([]result, len(results))
		for i, r := range results {
			on := s.numbers(r.On)
			if slices.Equal(on, n.inputs) {
				on = n.inputs
			}
			n.results[i] = result{on, s.textOf(r.Description)}
			s.upon.add(place{first(on), n.results[i].text}, at)
			s.above.add(first(on), at)
		}
	}
}

// describe adds what a vertex's records are called by one more job.
func (s *Shared) describe(at int32, results []Result) {
	known := s.vertices[at].results
	for i := range min(len(known), len(results)) {
		if d := results[i].Description; s.texts[known[i].text] != d && !s.called(at, i, d) {
			s.also[at] = append(s.also[at], alias{i, s.textOf(d)})
			s.upon.add(place{first(known[i].on), s.textOf(d)}, at)
		}
	}
}

// called tells whether a vertex's result has a description, or any.
func (s *Shared) called(at int32, i int, description string) bool {
	if t := s.texts[s.vertices[at].results[i].text]; t == description || t == "" {
		return true
	}
	return slices.ContainsFunc(s.also[at], func(a alias) bool {
		return a.result == i && (s.texts[a.text] == description || s.texts[a.text] == "")
	})
}

// textOf returns the number of a description.
func (s *Shared) textOf(description string) int32 {
	n, known := s.text[description]
	if !known {
		n = int32(len(s.texts))
		s.texts, s.text[description] = append(s.texts, description), n
	}
	return n
}

// first is the first of the vertices that a record stands on, or Nothing.
func first(on []int32) int32 {
	if len(on) == 0 {
		return Nothing
	}
	return on[0]
}

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

func (s *Shared) addChain(image Image) {
	chain := s.numbers(image.Layers)
	names := []string{image.Digest, image.Manifest}
	if !strings.Contains(image.Ref, "@") {
		names = append(names, image.Ref) // so are its records called
	}
	for _, name := range names {
		same := func(known []int32) bool { return slices.Equal(known, chain) }
		if name != "" && !slices.ContainsFunc(s.chains[name], same) {
			s.chains[name] = append(s.chains[name], chain)
		}
	}
}

// Len is the number of vertices.
func (s *Shared) Len() int { return len(s.vertices) }

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
	return s.texts[r.text], r.on
}

// ResultOn returns what a vertex's record of a description stands on, and whether
// it has one. An empty description among the vertex's is any.
func (s *Shared) ResultOn(v int32, description string) (on []int32, has bool) {
	for i := range s.vertices[v].results {
		if s.called(v, i, description) {
			return s.vertices[v].results[i].on, true
		}
	}
	return nil, false
}

// Upon returns the vertices with a record of a normalized description whose
// first parent is of the vertex on, or that has no parents for Nothing. The
// caller must not change it.
func (s *Shared) Upon(on int32, description string) []int32 {
	text, known := s.text[description]
	if !known {
		return nil
	}
	return s.upon.get(place{on, text}, s.self)
}

// Layers returns the layers right above a layer, or the bottom ones for Nothing.
func (s *Shared) Layers(on int32) []int32 { return s.upon.get(place{on, layerText}, s.self) }

// Anything returns the vertices that stand for whatever is built upon a vertex.
func (s *Shared) Anything(on int32) []int32 { return s.upon.get(place{on, anyText}, s.self) }

// Above returns the vertices with a record whose first parent is of the vertex
// on, or that has no parents for Nothing. The caller must not change it.
func (s *Shared) Above(on int32) []int32 { return s.above.get(on, s.self) }

// Chains returns the layers of the images that a digest stands for, bottom
// first: those of several platforms where it is an index.
func (s *Shared) Chains(digest string) [][]int32 { return s.chains[digest] }

// Renumber gives the jobs other numbers: the one with the number order[i] gets i.
// It must name each job once.
func (s *Shared) Renumber(order []int) {
	paths := make([][]int32, len(order))
	for i := range s.vertices {
		s.vertices[i].jobs = s.vertices[i].jobs[:0]
	}
	for job, was := range order {
		paths[job] = s.Path(was)
		for _, v := range paths[job] {
			s.vertices[v].jobs = append(s.vertices[v].jobs, int32(job))
		}
	}
	s.paths = paths
}

func with(sorted []int32, n int32) []int32 {
	if len(sorted) == 0 || sorted[len(sorted)-1] < n { // as jobs come, mostly
		return append(sorted, n)
	}
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
