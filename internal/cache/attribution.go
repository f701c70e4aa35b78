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
//
// Large: most of it is by record, one list for each thing that is found out of them.
type attribution struct {
	*lineage
	View
	shared *graph.Shared
	made   map[int32][]Making
	pulls  map[int32][]Making // by layer: when earlier runs pulled images that have it
	began  time.Time          // when the run began to make something; zero where it did not
	// described are the vertices that were made, by their records' descriptions.
	described map[string][]int32

	of   [][]int32 // by record: the vertices
	sure []bool    // by record: it is remembered, or the moment of its making tells
	told [][]int32 // by record: those of its vertices that what stands on it tells
	// own tells by record that a run of Stoker's is remembered to have made it, as
	// whichever vertex.
	own []bool
	// former tells by record that it is remembered as what this plan does not have, such
	// as a step's result of what a directory held before: no build of the plan will find it.
	former []bool
	// others tells by record that it is named after an image that is not of the plan.
	others []bool
	// lost tells by record that its moment tells nothing: what was made then is known.
	lost []bool
	// sources are, by record, the makings that it may come from, where these have told.
	sources [][]source
	// fromBefore are the records that an earlier run has known, and that are gone since.
	fromBefore []claimant
	// placed tells by record that only its place tells what it may be.
	placed []bool
}

// attribute matches records with vertices. The caller holds the needs' lock.
func attribute(l *lineage, v View) *attribution {
	a := &attribution{lineage: l, View: v, shared: v.Needs.shared,
		made: map[int32][]Making{}, pulls: map[int32][]Making{}, described: map[string][]int32{},
		of: make([][]int32, len(l.records)), sure: make([]bool, len(l.records)), told: make([][]int32, len(l.records)),
		own: make([]bool, len(l.records)), former: make([]bool, len(l.records)), others: make([]bool, len(l.records)), lost: make([]bool, len(l.records)), placed: make([]bool, len(l.records)),
		sources: make([][]source, len(l.records))}
	a.remember()
	a.upward()
	a.downward()
	a.upward() // for what stands on what was found from above
	a.guess()
	a.downward()
	a.upward()
	a.unpulled()
	a.contest()
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
		if !ok || a.Needs.inherited[id] { // that is not pulled from where it was made
			continue
		}
		if a.shared.Kind(v) == graph.Layer {
			a.rememberPull(v, at)
			continue
		}
		a.made[v] = slices.Concat(a.made[v], at) // it may be known by several identities
		for _, m := range at {
			if !m.earlier && (a.began.IsZero() || m.Began.Before(a.began)) {
				a.began = m.Began
			}
		}
		for i := range a.shared.Results(v) {
			description, _ := a.shared.Result(v, i)
			a.described[description] = append(a.described[description], v)
		}
	}
	for i := range a.records {
		id, known := a.Memory.known[a.records[i].ID]
		a.own[i], a.lost[i] = known, a.Memory.lost[a.records[i].ID]
		v, ok := a.shared.Find(id)
		if known && ok {
			a.of[i], a.sure[i] = []int32{v}, true
		}
		a.former[i] = known && !ok && id != graph.ID{} && !a.isNew(i) && !a.isLayer(i)
	}
	for _, i := range a.order { // what stands on such a thing is not the plan's either
		onFormer := slices.ContainsFunc(a.parents[i], func(p int) bool { return a.former[p] })
		a.former[i] = a.former[i] || onFormer && !a.sure[i] && !a.isNew(i)
	}
	a.rememberGone()
}

// rememberGone takes from which makings the records may have come that an earlier run has
// known, and that are not there any more: only their vertices are on record.
func (a *attribution) rememberGone() {
	for id, of := range a.Memory.known {
		_, there := a.index[id]
		if _, told := a.Memory.origins[id]; told || there {
			continue
		}
		if v, ok := a.shared.Find(of); ok {
			if by := a.earlierSources(v); len(by) > 0 {
				// It may have given way to another when the run was killed.
				a.fromBefore = append(a.fromBefore, claimant{record: none, id: id, origin: origin{by, true}})
			}
		}
	}
}

// rememberPull notes when earlier runs pulled an image, by its topmost layer: a run that
// was killed may not have seen yet which records that made.
func (a *attribution) rememberPull(top int32, at []Making) {
	at = slices.DeleteFunc(slices.Clone(at), func(m Making) bool { return !m.earlier })
	for below := []int32{top}; len(at) > 0 && len(below) > 0; below = a.shared.Inputs(below[0]) {
		a.pulls[below[0]] = append(a.pulls[below[0]], at...)
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
		case !r.isRegular() && r.Kind != KindLocal && r.Kind != KindGit, r.Description == "":
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
	ref, d, _ := pulledName(a.records[i].Description)
	depth := a.depth[i]
	if depth < 0 {
		return nil
	}
	for _, chain := range a.shared.Chains(Name{ref, d}.key()) {
		if depth < len(chain) {
			found = append(found, chain[depth])
		}
	}
	if len(found) > 0 || a.Explain == nil {
		return distinct(found)
	}
	if chain, known := a.Explain(d); known && depth < len(chain) {
		if v, ok := a.shared.Find(chain[depth]); ok {
			a.others[i] = true
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
			if a.shared.Kind(v) == graph.Step && a.hasOn(v, len(a.parents[i])) {
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

// step finds the steps whose result a record may be, by what it stands on and its
// description. The moment of its making tells among those.
func (a *attribution) step(i int) (found []int32, sure bool) {
	found, anything := a.fitting(i), a.anything(a.parents[i])
	at, sure := a.atItsMoment(i, found)
	if sure {
		found = at
	}
	return distinct(slices.Concat(found, anything)), sure
}

// fitting returns the steps that have a record with the parents and the description
// of the one at i.
func (a *attribution) fitting(i int) (found []int32) {
	description := graph.Normalize(a.records[i].Description)
	parents, below := a.parents[i], []int32{graph.Nothing}
	if len(parents) > 0 {
		below = a.of[parents[0]]
	}
	if description == unnamedStep {
		return a.unnamed(below)
	}
	for _, p := range below {
		for _, v := range a.shared.Upon(p, description) {
			if a.standsOn(v, description, parents) {
				found = append(found, v)
			}
		}
	}
	return distinct(found)
}

// unnamed finds the steps upon vertices of which a record does not say which it is.
func (a *attribution) unnamed(below []int32) (found []int32) {
	for _, p := range below {
		for _, v := range a.shared.Above(p) {
			if description, _ := a.shared.Result(v, 0); a.shared.Kind(v) == graph.Step && !strings.HasPrefix(description, "mount ") {
				found = append(found, v)
			}
		}
	}
	return distinct(found)
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
	// A job whose steps are known by now has no such vertex any more.
	found = slices.DeleteFunc(found, func(v int32) bool { return len(a.shared.JobsOf(v)) == 0 })
	return distinct(found)
}

func (a *attribution) isNew(i int) bool {
	_, was := a.Before[a.records[i].ID]
	return !was
}

// isLayer tells whether the record at i is, by its description, a layer of an
// image: pulled, or resolved and not yet pulled.
func (a *attribution) isLayer(i int) bool {
	r := &a.records[i]
	return a.isPulled(i) || r.Description == "" && r.isRegular()
}

// isPulled tells whether the record at i was pulled, by its description.
func (a *attribution) isPulled(i int) bool {
	return strings.HasPrefix(a.records[i].Description, pulledFrom)
}

func distinct(s []int32) []int32 {
	if len(s) < 2 {
		return s
	}
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}
