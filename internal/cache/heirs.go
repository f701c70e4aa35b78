package cache

import (
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
)

// Inherit has the layers of an image, bottom first, be the results of the job that has
// made it, as far as a builder does not pull what it has made itself. It must be called
// before a job is given a graph with these layers. It tells whether that is all that is
// needed of what the job has made: it is not known where its image is for several
// platforms that look alike, and above a merge a builder makes layers anew, of what is kept.
func (n *Needs) Inherit(maker int, layers []graph.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	var made *graph.Stack
	for _, stack := range n.shared.Stacks(maker) {
		if !n.fits(stack, layers) {
			continue
		}
		if made != nil && !slices.Equal(made.Layers, stack.Layers) {
			return false
		}
		made = &stack
	}
	if made == nil {
		return false
	}
	for i, v := range made.Layers[:made.Found] {
		n.shared.Alias(layers[i], v)
		n.inherited[layers[i]] = n.shared.Kind(v) != graph.Layer
		if i > 0 && n.inherited[layers[i]] {
			on := made.Layers[i-1]
			n.inheritedOn[on] = distinct(append(n.inheritedOn[on], v))
		}
	}
	return made.Found == len(made.Layers)
}

// fits tells whether layers may be those of a stack: as many, and upon the same base
// image. The caller holds mu.
func (n *Needs) fits(stack graph.Stack, layers []graph.ID) bool {
	if len(stack.Layers) != len(layers) {
		return false
	}
	for i, v := range stack.Layers[:stack.Found] {
		at, known := n.shared.Find(layers[i])
		switch {
		case known && at == v:
		case n.shared.Kind(v) == graph.Layer, known && n.shared.Kind(at) != graph.Layer:
			return false
		}
	}
	return true
}

// BuiltOn says on what other jobs make a job is built, once no job gets another number.
func (n *Needs) BuiltOn(job int, makers []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.jobs[job].on = makers
}

// makerOf returns the job that alone makes a vertex: all others that have it are built on
// what that one makes. It is NoJob where there are several. The caller holds the needs' lock.
func (r *Report) makerOf(v int32) int {
	maker, all := NoJob, r.shared.JobsOf(v)
	inherits := func(from int) bool { return slices.Contains(all, int32(from)) }
	for _, job := range all {
		if slices.ContainsFunc(r.Needs.jobs[job].on, inherits) {
			continue
		}
		if maker != NoJob {
			return NoJob
		}
		maker = int(job)
	}
	return maker
}
