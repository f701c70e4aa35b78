package cache

import (
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

const (
	pulledFrom = "pulled from "
	imported   = "imported "
	// unnamedStep is what docker's builder up to 20.10 (BuildKit v0.8) says of the
	// result of every COPY, ADD and WORKDIR. Later ones say the name of the step.
	unnamedStep = "fileop target"
)

// pulledName splits "pulled from REF@DIGEST".
func pulledName(description string) (ref string, d digest.Digest, ok bool) {
	name, ok := strings.CutPrefix(description, pulledFrom)
	if !ok {
		return "", "", false
	}
	at := strings.LastIndexByte(name, '@')
	if at < 0 {
		return name, "", true
	}
	return name[:at], digest.Digest(name[at+1:]), true
}

// attribution finds out which vertices of the plan the records may be results of.
type attribution struct {
	*lineage
	View
	shared *graph.Shared
	made   map[int32][]time.Time
	// described are the vertices that were made, by their records' descriptions.
	described map[string][]int32

	of   [][]int32 // by record: the vertices
	sure []bool    // by record: it is remembered, or the moment of its making tells
	// own tells by record that a run of Stoker's is remembered to have made it, as
	// whichever vertex.
	own []bool
	// others tells by record that it is named after an image that is not of the plan.
	others []bool
}

// attribute matches records with vertices. The caller holds the needs' lock.
func attribute(l *lineage, v View) *attribution {
	a := &attribution{lineage: l, View: v, shared: v.Needs.shared,
		made: map[int32][]time.Time{}, described: map[string][]int32{},
		of: make([][]int32, len(l.records)), sure: make([]bool, len(l.records)),
		own: make([]bool, len(l.records)), others: make([]bool, len(l.records))}
	a.remember()
	a.upward()
	a.downward()
	a.upward() // for what stands on what was found from above
	a.unpulled()
	return a
}

// remember takes what is known from before, and what was made.
func (a *attribution) remember() {
	if a.Memory == nil {
		return
	}
	a.Memory.mu.RLock()
	defer a.Memory.mu.RUnlock()
	for id, at := range a.Memory.made {
		v, ok := a.shared.Find(id)
		if !ok {
			continue
		}
		a.made[v] = at
		for i := range a.shared.Results(v) {
			description, _ := a.shared.Result(v, i)
			a.described[description] = append(a.described[description], v)
		}
	}
	for i := range a.records {
		id, known := a.Memory.known[a.records[i].ID]
		a.own[i] = known
		if v, ok := a.shared.Find(id); known && ok {
			a.of[i], a.sure[i] = []int32{v}, true
		}
	}
}

// upward attributes records by themselves and by what they stand on.
func (a *attribution) upward() {
	for _, i := range a.order {
		if len(a.of[i]) > 0 || a.broken[i] {
			continue
		}
		r := &a.records[i]
		switch {
		case !r.isRegular(), r.Description == "":
		case strings.HasPrefix(r.Description, pulledFrom):
			a.of[i] = a.layer(i)
		case strings.HasPrefix(r.Description, imported):
			a.of[i] = a.imports(i)
		default:
			a.of[i], a.sure[i] = a.step(i)
		}
	}
}

// layer finds the layers that a pulled record may be. The number of its ancestors
// is its layer's place in the image that it is named after. A digest may stand
// for several chains: those of the platforms of an index.
func (a *attribution) layer(i int) (found []int32) {
	_, d, _ := pulledName(a.records[i].Description)
	depth := a.depth[i]
	if depth < 0 {
		return nil
	}
	for _, chain := range a.shared.Chains(d.String()) {
		if depth < len(chain) && a.shared.Kind(chain[depth]) == graph.Layer {
			found = append(found, chain[depth])
		}
	}
	if len(found) > 0 || a.Explain == nil {
		return distinct(found)
	}
	if chain := a.explained(d); depth < len(chain) {
		if v, ok := a.shared.Find(chain[depth]); ok {
			a.others[i] = true
			return []int32{v}
		}
	}
	return nil
}

func (a *attribution) explained(d digest.Digest) []graph.ID {
	chain, _ := a.Explain(d)
	return chain
}

// imports finds what a record may be that came from an imported cache: only its
// place tells.
func (a *attribution) imports(i int) []int32 {
	if len(a.parents[i]) == 0 {
		return a.shared.Layers(graph.Nothing)
	}
	var found []int32
	for _, p := range a.of[a.parents[i][0]] {
		found = append(found, a.shared.Layers(p)...)
		found = append(found, a.shared.Above(p)...)
	}
	return distinct(found)
}

// step finds the steps whose result a record may be, by what it stands on and its
// description. The moment of its making tells among those.
func (a *attribution) step(i int) (found []int32, sure bool) {
	description := graph.Normalize(a.records[i].Description)
	parents := a.parents[i]
	switch {
	case description == unnamedStep:
		found = a.unnamed(parents)
	case len(parents) == 0:
		found = a.shared.Upon(graph.Nothing, description)
	case len(a.of[parents[0]]) > 0:
		for _, p := range a.of[parents[0]] {
			for _, v := range a.shared.Upon(p, description) {
				if a.standsOn(v, description, parents) {
					found = append(found, v)
				}
			}
		}
		if len(found) == 0 {
			return a.anything(parents), false
		}
	default:
		// What it stands on is unknown, such as an image that this builder made
		// itself: it takes the steps' results for the image's layers.
		return a.atItsMoment(i, a.described[description])
	}
	if at, sure := a.atItsMoment(i, found); sure {
		return at, true
	}
	return distinct(found), false
}

// unnamed finds the steps upon a record of which a record does not say which it is.
func (a *attribution) unnamed(parents []int) (found []int32) {
	if len(parents) != 1 {
		return nil
	}
	for _, p := range a.of[parents[0]] {
		for _, v := range a.shared.Above(p) {
			if description, _ := a.shared.Result(v, 0); !strings.HasPrefix(description, "mount ") {
				found = append(found, v)
			}
		}
	}
	return found
}

// standsOn tells whether a vertex has a record with such parents.
func (a *attribution) standsOn(v int32, description string, parents []int) bool {
	for k := range a.shared.Results(v) {
		d, on := a.shared.Result(v, k)
		if d != description || len(on) != len(parents) {
			continue
		}
		fits := true
		for n, p := range parents {
			fits = fits && slices.Contains(a.of[p], on[n])
		}
		if fits {
			return true
		}
	}
	return false
}

// anything finds the vertices that stand for whatever is built upon the parents.
// What stands on a layer that is not of the plan, too, is somebody else's.
func (a *attribution) anything(parents []int) (found []int32) {
	for _, parent := range parents {
		if len(a.of[parent]) == 0 && a.isLayer(parent) {
			return nil
		}
		for _, p := range a.of[parent] {
			if a.shared.Kind(p) == graph.Any {
				found = append(found, p)
			}
			found = append(found, a.shared.Anything(p)...)
		}
	}
	return distinct(found)
}

const (
	// A record is made a few milliseconds before its step is told to be done
	// (measured on v0.34.2), or up to 160 ms after it (docker 20.10, when the image
	// is exported); busy machines may disturb that.
	mostLate, mostEarly = time.Second, 250 * time.Millisecond
	// Moments that are no further apart do not tell two steps apart.
	sameMoment = 5 * time.Millisecond
)

// atItsMoment returns those of the vertices that were made when the record was,
// and whether there are any.
func (a *attribution) atItsMoment(i int, among []int32) (nearest []int32, sure bool) {
	if len(a.made) == 0 {
		return nil, false
	}
	best := time.Duration(-1)
	gaps := make([]time.Duration, len(among))
	for n, v := range among {
		gaps[n] = a.gap(v, a.records[i].CreatedAt)
		if gaps[n] >= 0 && (best < 0 || gaps[n] < best) {
			best = gaps[n]
		}
	}
	if best < 0 {
		return nil, false
	}
	for n, v := range among {
		if gaps[n] >= 0 && gaps[n] <= best+sameMoment {
			nearest = append(nearest, v)
		}
	}
	return distinct(nearest), true
}

// gap is how far a moment is from the nearest at which a vertex was made;
// negative for too far.
func (a *attribution) gap(v int32, created time.Time) time.Duration {
	best := time.Duration(-1)
	for _, at := range a.made[v] {
		late := at.Sub(created)
		if late > mostLate || late < -mostEarly {
			continue
		}
		if late = late.Abs(); best < 0 || late < best {
			best = late
		}
	}
	return best
}

// downward attributes records after what stands on them: layers whose own names
// tell nothing, such as those that were never pulled or that an image pulled
// which is not of the plan, and what the builder takes for a base image's layers.
func (a *attribution) downward() {
	for _, i := range slices.Backward(a.order) {
		if len(a.of[i]) == 0 || a.broken[i] {
			continue
		}
		for n, p := range a.parents[i] {
			if len(a.of[p]) > 0 || a.broken[p] || !a.records[p].isRegular() {
				continue
			}
			for _, v := range a.of[i] {
				a.of[p] = append(a.of[p], a.below(v, i, n)...)
			}
			a.of[p] = distinct(a.of[p])
		}
	}
}

// below returns what the nth parent of a record must be when it is the result of
// a vertex.
func (a *attribution) below(v int32, record, n int) []int32 {
	if a.shared.Kind(v) == graph.Layer {
		return a.shared.Inputs(v)
	}
	if !a.sure[record] {
		return nil
	}
	for k := range a.shared.Results(v) {
		if d, on := a.shared.Result(v, k); n < len(on) && d == graph.Normalize(a.records[record].Description) {
			return on[n : n+1]
		}
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
		for _, v := range below {
			a.of[i] = append(a.of[i], a.shared.Layers(v)...)
		}
	}
}

func (a *attribution) isNew(i int) bool {
	_, was := a.Before[a.records[i].ID]
	return !was
}

// isLayer tells whether the record at i is, by its description, a layer of an
// image: pulled, or resolved and not yet pulled.
func (a *attribution) isLayer(i int) bool {
	r := &a.records[i]
	return strings.HasPrefix(r.Description, pulledFrom) || r.Description == "" && r.isRegular()
}

func distinct(s []int32) []int32 {
	if len(s) < 2 {
		return s
	}
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}
