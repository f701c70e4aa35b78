package cache

import (
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
)

// downward attributes records after what stands on them: layers whose own names
// tell nothing, such as those that were never pulled or that an image pulled
// which is not of the plan, and what the builder takes for something else that it
// is equal to. What is told for sure is added to what a record may be by itself.
func (a *attribution) downward() {
	for _, i := range slices.Backward(a.order) {
		for n, p := range a.parents[i] {
			if a.broken[p] || !a.records[p].isRegular() {
				continue
			}
			if below := a.below(i, n, len(a.of[p]) == 0); len(below) > 0 {
				a.of[p] = distinct(slices.Concat(a.of[p], below))
				a.told[p] = distinct(slices.Concat(a.told[p], below))
			}
		}
	}
}

// below returns what the nth parent of the record at i must be: of layers what is
// below them, if it is one, or if any will do; of steps what they stand on, if
// the steps are sure or told.
func (a *attribution) below(i, n int, anyWillDo bool) (below []int32) {
	for _, v := range a.of[i] {
		if a.shared.Kind(v) == graph.Layer {
			if anyWillDo || len(a.of[i]) == 1 {
				below = append(below, a.shared.Inputs(v)...)
			}
			continue
		}
		if a.isLayer(i) {
			if anyWillDo || len(a.of[i]) == 1 {
				below = append(below, a.belowInherited(i, v)...)
			}
			continue
		}
		if !a.sure[i] && !slices.Contains(a.told[i], v) {
			continue
		}
		if on, has := a.shared.ResultOn(v, graph.Normalize(a.records[i].Description)); has && n < len(on) {
			below = append(below, on[n])
		}
	}
	return below
}

// belowInherited returns what is below the record at i, a layer of an image that a job of
// the plan has made, as the step v: what is below it in the image that it is named after,
// or else what the step was done upon.
func (a *attribution) belowInherited(i int, v int32) (below []int32) {
	ref, d, named := pulledName(a.records[i].Description)
	if depth := a.depth[i]; named && depth > 0 {
		for _, chain := range a.shared.Chains(Name{ref, d}.key()) {
			if depth < len(chain) && chain[depth] == v {
				below = append(below, chain[depth-1])
			}
		}
		return below
	}
	if on := a.shared.Below(v); !named && len(on) == 1 {
		return on
	}
	return nil
}

// unpulled attributes what is left of layers that were resolved and never pulled,
// such as those of a pull that failed: nothing tells them from their like but what
// they stand on.
func (a *attribution) unpulled() {
	for _, i := range a.order {
		if r := &a.records[i]; len(a.of[i]) > 0 || a.broken[i] || !r.isRegular() || r.Description != "" || r.Size > 0 {
			continue
		}
		below := []int32{graph.Nothing}
		if len(a.parents[i]) > 0 {
			below = a.of[a.parents[i][0]]
		}
		a.placed[i] = true
		for _, v := range below {
			a.of[i] = distinct(slices.Concat(a.of[i], a.shared.Layers(v), a.Needs.inheritedOn[v]))
		}
	}
}
