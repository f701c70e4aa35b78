package graph

// Stack is the layers of an image that a job makes, by the vertices whose results they
// are, bottom first.
type Stack struct {
	Layers []int32
	// Found is how many of them a builder finds, from the bottom, where an image has
	// them: those up to a merge. What was made upon one it takes for something else
	// (BuildKit v0.34, measured).
	Found  int
	merged bool
}

// Stacks returns those of a job: one for each platform.
func (s *Shared) Stacks(job int) (stacks []Stack) {
	if job >= len(s.tops) {
		return nil
	}
	for _, top := range s.tops[job] {
		stacks = append(stacks, s.stack(top))
	}
	return stacks
}

// stack is what a vertex's result consists of.
func (s *Shared) stack(v int32) (all Stack) {
	below := s.Below(v)
	if len(below) > 1 {
		return s.merge(v, below)
	}
	for _, on := range below {
		all = s.stack(on)
	}
	all.Layers = append(all.Layers, v)
	if !all.merged {
		all.Found++
	}
	return all
}

// merge is what a merge consists of. It has no layer of its own: all of them are found
// under its name.
func (s *Shared) merge(v int32, parts []int32) Stack {
	all := s.stack(parts[0])
	for _, part := range parts[1:] {
		all.Layers = append(all.Layers, s.stack(part).Layers...)
	}
	if !all.merged {
		all.Layers[len(all.Layers)-1] = v
		all.Found, all.merged = len(all.Layers), true
	}
	return all
}

// Below is what the first record of a vertex stands on. The caller must not change it.
func (s *Shared) Below(v int32) []int32 {
	switch n := &s.vertices[v]; {
	case n.kind == Layer:
		return n.inputs
	case len(n.results) > 0:
		return n.results[0].on
	}
	return nil
}
