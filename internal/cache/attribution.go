package cache

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

const (
	pulledFrom = "pulled from "
	imported   = "imported "
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
	there  map[string]bool // the records' IDs
	passes int

	// By record:
	text  []string // the normalized description
	alike []*alike
	doubt []doubt
	known []bool // it is remembered
	match
}

// match is what was found out, by record.
type match struct {
	of      [][]int32   // the vertices that it may be the result of, in order
	told    [][]int32   // those of them that records above it tell
	from    [][]*making // the makings that it may have come from
	sure    []bool      // it is remembered, or the moment of its making tells
	guessed []bool      // only the moment of its making tells
}

// alike are records that have the same parents and description.
type alike struct {
	records []int
	pass    int // the last in which they were looked at
}

// doubt tells of a record that its moment tells nothing, since others may have
// come from the same making: among the steps that fit, or among all.
type doubt struct{ fitting, guessed bool }

// attribute matches records with vertices. The caller holds the needs' lock.
func attribute(l *lineage, v View) *attribution {
	n := len(l.records)
	a := &attribution{lineage: l, View: v, shared: v.Needs.shared, there: make(map[string]bool, n),
		text: make([]string, n), alike: make([]*alike, n), doubt: make([]doubt, n), known: make([]bool, n)}
	if a.Memory == nil {
		a.Memory = NewMemory(nil, nil, nil)
	}
	a.Memory.mu.RLock()
	defer a.Memory.mu.RUnlock()
	a.compare()
	for contested := true; contested; contested = a.contest() {
		a.match = match{of: make([][]int32, n), told: make([][]int32, n), from: make([][]*making, n), sure: make([]bool, n), guessed: make([]bool, n)}
		a.remember()
		a.upward()
		a.downward()
		a.upward() // for what stands on what was found from above
		a.guess()
		a.downward()
		a.upward()
		a.lazy()
	}
	return a
}

// compare finds the steps' results that are alike.
func (a *attribution) compare() {
	groups := map[string]*alike{}
	var key []byte
	for i := range a.records {
		a.text[i], a.there[a.records[i].ID] = graph.Normalize(a.records[i].Description), true
		if !a.isStep(i) {
			continue
		}
		key = key[:0]
		for _, p := range a.parents[i] {
			key = binary.AppendUvarint(key, uint64(p)+1)
		}
		key = append(append(key, 0), a.text[i]...)
		g := groups[string(key)]
		if g == nil {
			g = &alike{}
			groups[string(key)] = g
		}
		g.records, a.alike[i] = append(g.records, i), g
	}
}

// remember takes what is known from before.
func (a *attribution) remember() {
	for i := range a.records {
		if id, ok := a.Memory.known[a.records[i].ID]; ok {
			if v, ok := a.shared.Find(id); ok {
				a.of[i], a.known[i], a.sure[i] = []int32{v}, true, true
				a.from[i] = a.makingsOf(i, func(m *making) bool { return m.vertex == id })
			}
		}
	}
}

// upward attributes records by themselves and by what they stand on.
func (a *attribution) upward() {
	a.passes++
	for _, i := range a.order {
		if len(a.of[i]) > 0 || a.broken[i] {
			continue
		}
		r := &a.records[i]
		switch {
		case !r.isRegular(), r.Description == "":
		case a.isStep(i):
			if a.alike[i].pass != a.passes {
				a.alike[i].pass = a.passes
				a.steps(i)
			}
		case strings.HasPrefix(r.Description, pulledFrom):
			a.of[i] = a.layer(i)
		case strings.HasPrefix(r.Description, imported):
			a.of[i] = a.imports(i)
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
	if chain, known := a.Explain(d); known && depth < len(chain) {
		if v, ok := a.shared.Find(chain[depth]); ok {
			return []int32{v}
		}
	}
	return nil
}

// imports finds what a record may be that came from an imported cache: only its
// place tells.
func (a *attribution) imports(i int) []int32 {
	below := []int32{graph.Nothing}
	if len(a.parents[i]) > 0 {
		below = a.of[a.parents[i][0]]
	}
	var found []int32
	for _, p := range below {
		found = append(found, a.shared.Layers(p)...)
		for _, v := range a.shared.Above(p) {
			if a.hasOn(v, len(a.parents[i])) {
				found = append(found, v)
			}
		}
	}
	return distinct(found)
}

// hasOn tells whether a vertex has a record with so many parents.
func (a *attribution) hasOn(v int32, parents int) bool {
	for i := range a.shared.Results(v) {
		if _, on := a.shared.Result(v, i); len(on) == parents {
			return true
		}
	}
	return false
}

// steps finds the steps whose results the record at i and those alike may be, by
// what they stand on and their description. The moments of their making tell
// among those.
func (a *attribution) steps(i int) {
	found, anything := a.fitting(i), a.anything(a.parents[i])
	for _, r := range a.alike[i].records {
		if a.known[r] {
			continue
		}
		may := found
		if len(found) > 0 {
			a.from[r] = a.makingsOf(r, func(m *making) bool {
				v, known := a.shared.Find(m.vertex)
				_, fits := slices.BinarySearch(found, v)
				return known && fits
			})
			if a.sure[r] = len(a.from[r]) > 0 && !a.doubt[r].fitting; a.sure[r] {
				may = a.vertices(a.from[r])
			}
		}
		if more := slices.Concat(a.of[r], anything); len(more) > 0 {
			may = distinct(append(more, may...))
		}
		a.of[r] = may
	}
}

// fitting returns the steps that have a record with the parents and the
// description of the one at i.
func (a *attribution) fitting(i int) (found []int32) {
	parents, below := a.parents[i], []int32{graph.Nothing}
	if len(parents) > 0 {
		below = a.of[parents[0]]
	}
	for _, p := range below {
		for _, description := range []string{a.text[i], ""} {
			for _, v := range a.shared.Upon(p, description) {
				if a.standsOn(v, a.text[i], parents) {
					found = append(found, v)
				}
			}
		}
	}
	return distinct(found)
}

// standsOn tells whether a vertex, of which the first parent fits, has a record
// with such parents.
func (a *attribution) standsOn(v int32, description string, parents []int) bool {
	on, has := a.shared.ResultOn(v, description)
	if !has || len(on) != len(parents) {
		return false
	}
	for n := 1; n < len(parents); n++ {
		if _, fits := slices.BinarySearch(a.of[parents[n]], on[n]); !fits {
			return false
		}
	}
	return true
}

// vertices returns the vertices of makings.
func (a *attribution) vertices(makings []*making) (of []int32) {
	for _, m := range makings {
		if v, known := a.shared.Find(m.vertex); known {
			of = append(of, v)
		}
	}
	return distinct(of)
}

// guess finds steps by their descriptions and moments alone, for records that
// stand on what no step of that description stands on, as far as is known, or that
// were made when none of those was. A builder takes steps' results for the layers
// of an image that it made itself, and for those of another step that copied the
// same content. What surely accounts for another record is not asked again.
func (a *attribution) guess() {
	accounted := map[*making]bool{}
	for i := range a.records {
		if a.sure[i] {
			for _, m := range a.from[i] {
				accounted[m] = true
			}
		}
	}
	for i := range a.records {
		if a.sure[i] || !a.isStep(i) || a.doubt[i].guessed {
			continue
		}
		own := a.claimOf(i)
		from := a.makingsOf(i, func(m *making) bool {
			v, known := a.shared.Find(m.vertex)
			if !known || accounted[m] || m.fits && !slices.Contains(m.by, own) {
				return false
			}
			_, has := a.shared.ResultOn(v, a.text[i])
			return has
		})
		if len(from) > 0 {
			a.from[i], a.sure[i], a.guessed[i] = from, true, true
			a.of[i] = distinct(slices.Concat(a.of[i], a.vertices(from)))
		}
	}
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
	// A job whose steps are known by now has no such vertex any more.
	found = slices.DeleteFunc(found, func(v int32) bool { return len(a.shared.JobsOf(v)) == 0 })
	return distinct(found)
}

// downward attributes records after what stands on them: layers whose own names
// tell nothing, such as those that were never pulled or that an image pulled
// which is not of the plan, and what the builder takes for something else that it
// is equal to. What is told for sure is added to what a record may be by itself.
func (a *attribution) downward() {
	for _, i := range slices.Backward(a.order) {
		for n, p := range a.parents[i] {
			if !a.records[p].isRegular() {
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
// the steps are sure.
func (a *attribution) below(i, n int, any bool) (below []int32) {
	for _, v := range a.of[i] {
		if a.shared.Kind(v) == graph.Layer {
			if any || len(a.of[i]) == 1 {
				below = append(below, a.shared.Inputs(v)...)
			}
			continue
		}
		if _, told := slices.BinarySearch(a.told[i], v); !told && !a.sure[i] {
			continue
		}
		if on, has := a.shared.ResultOn(v, a.text[i]); has && n < len(on) {
			below = append(below, on[n])
		}
	}
	return below
}

// lazy attributes layers that were resolved and not pulled, and on which nothing
// stands that would tell, to all layers that may stand there. They would keep the
// layers below until the run ends. On a shared builder they may be anybody's.
func (a *attribution) lazy() {
	if a.Owner != Exclusive {
		return
	}
	for _, i := range a.order {
		r := &a.records[i]
		if len(a.of[i]) > 0 || a.broken[i] || !r.isRegular() || r.Description != "" || len(a.parents[i]) > 1 {
			continue
		}
		below := []int32{graph.Nothing}
		if len(a.parents[i]) == 1 {
			below = a.of[a.parents[i][0]]
		}
		var found []int32
		for _, p := range below {
			found = append(found, a.shared.Layers(p)...)
		}
		a.of[i] = distinct(found)
	}
}

func (a *attribution) isNew(i int) bool {
	_, was := a.Before[a.records[i].ID]
	return !was
}

// isStep tells whether the record at i is, by its description, the result of a
// step.
func (a *attribution) isStep(i int) bool {
	r := &a.records[i]
	return r.isRegular() && !a.broken[i] && !a.isLayer(i) && !strings.HasPrefix(r.Description, imported)
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
