package graph

import (
	"slices"
)

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

// PathWithout returns the vertices of a job but some. The caller must not change it.
func (s *Shared) PathWithout(job int, without []ID) []int32 {
	if len(without) == 0 {
		return s.Path(job)
	}
	return slices.DeleteFunc(slices.Clone(s.Path(job)), func(v int32) bool { return slices.Contains(without, s.vertices[v].id) })
}

// JobsOf returns the jobs that have a vertex, in their order. The caller must not
// change it.
func (s *Shared) JobsOf(v int32) []int32 { return s.vertices[v].jobs }

// Find returns the number of a vertex.
func (s *Shared) Find(id ID) (int32, bool) {
	at, ok := s.index[id]
	return at, ok
}

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

// Merges tells whether a vertex lays its inputs upon each other as they are.
func (s *Shared) Merges(v int32) bool { return s.vertices[v].merge }

// Name returns the name of a vertex.
func (s *Shared) Name(v int32) string { return s.vertices[v].name }

// Size returns a layer's compressed size in bytes, 0 where it is not known.
func (s *Shared) Size(v int32) int64 { return s.vertices[v].size }

// Content returns what a layer is by itself, see Vertex.
func (s *Shared) Content(v int32) ID { return s.vertices[v].content }

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

// Base is an image that jobs are built on.
type Base struct {
	Ref    string
	Layers []BaseLayer // bottom first
	Jobs   []string    // by their names
}

// BaseLayer is a layer with all below it.
type BaseLayer struct {
	ID   ID
	Size int64 // compressed, in bytes; 0 where it is not known
	// Content is what the layer is by itself; zero where that is not known.
	Content ID
}
