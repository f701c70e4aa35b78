package graph

import (
	"slices"
	"strings"
)

// Shared is the graphs of all jobs as one: what several jobs have is one vertex.
// Jobs and vertices are numbered, jobs by the caller. It is not safe for
// concurrent use while a graph is set.
//
// Large: most of its methods look one thing up, in tables that stand for themselves.
type Shared struct {
	vertices []node
	index    map[ID]int32
	self     []int32 // each vertex at its own place
	upon     lists[place]
	above    lists[int32]
	chains   map[string][][]int32
	paths    [][]int32
	tops     [][]int32 // by job
	texts    []string  // the records' descriptions, each once
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
	merge   bool
	content ID // of a layer
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

// Set gives a job its graph, in place of one that it had. Vertices that no job
// has any more are still known, with no jobs.
func (s *Shared) Set(job int, g Graph) {
	for len(s.paths) <= job {
		s.paths, s.tops = append(s.paths, nil), append(s.tops, nil)
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
	s.paths[job], s.tops[job] = path, s.numbers(g.Tops)
	s.AddImages(g.Images)
}

// AddImages has the digests of images stand for their layers, which must be known.
func (s *Shared) AddImages(images []Image) {
	for _, image := range images {
		s.addChain(image)
	}
}

// intern returns the number of a vertex, a new one where it is not known yet.
// What is known of a layer's size and content is kept.
func (s *Shared) intern(v *Vertex) int32 {
	at, known := s.index[v.ID]
	if !known {
		at = int32(len(s.vertices))
		s.index[v.ID] = at
		s.self = append(s.self, at)
		s.vertices = append(s.vertices, node{id: v.ID, kind: v.Kind, name: v.Name, inputs: s.numbers(v.Inputs), merge: v.Merge})
		s.place(at, v.Results)
	} else {
		s.describe(at, v.Results)
	}
	if v.Size > 0 {
		s.vertices[at].size = v.Size
	}
	if v.Content != (ID{}) {
		s.vertices[at].content = v.Content
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

// Alias makes a vertex known by another identity, too.
func (s *Shared) Alias(id ID, v int32) { s.index[id] = v }

// SetSize notes the compressed size of a layer in bytes.
func (s *Shared) SetSize(layer ID, bytes int64) {
	if v, known := s.index[layer]; known {
		s.vertices[v].size = bytes
	}
}

// Renumber gives the jobs other numbers: the one with the number order[i] gets i.
// It must name each job once.
func (s *Shared) Renumber(order []int) {
	paths, tops := make([][]int32, len(order)), make([][]int32, len(order))
	for i := range s.vertices {
		s.vertices[i].jobs = s.vertices[i].jobs[:0]
	}
	for job, was := range order {
		paths[job] = s.Path(was)
		if was < len(s.tops) {
			tops[job] = s.tops[was]
		}
		for _, v := range paths[job] {
			s.vertices[v].jobs = append(s.vertices[v].jobs, int32(job))
		}
	}
	s.paths, s.tops = paths, tops
}
