package cache

import (
	"cmp"
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
	made   map[int32][]Making
	began  time.Time // when the run began to make something; zero where it did not
	// described are the vertices that were made, by their records' descriptions.
	described map[string][]int32

	of   [][]int32 // by record: the vertices
	sure []bool    // by record: it is remembered, or the moment of its making tells
	told [][]int32 // by record: those of its vertices that what stands on it tells
	// own tells by record that a run of Stoker's is remembered to have made it, as
	// whichever vertex.
	own []bool
	// others tells by record that it is named after an image that is not of the plan.
	others []bool
	// lost tells by record that its moment tells nothing: what was made then is known.
	lost []bool
	// placed tells by record that only its place tells what it may be.
	placed []bool
}

// attribute matches records with vertices. The caller holds the needs' lock.
func attribute(l *lineage, v View) *attribution {
	a := &attribution{lineage: l, View: v, shared: v.Needs.shared,
		made: map[int32][]Making{}, described: map[string][]int32{},
		of: make([][]int32, len(l.records)), sure: make([]bool, len(l.records)), told: make([][]int32, len(l.records)),
		own: make([]bool, len(l.records)), others: make([]bool, len(l.records)), lost: make([]bool, len(l.records)), placed: make([]bool, len(l.records))}
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
		if !ok {
			continue
		}
		a.made[v] = at
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
		if depth < len(chain) && a.shared.Kind(chain[depth]) == graph.Layer {
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

// guess finds steps by their descriptions and moments alone, for records that stand
// on what no step of that description stands on, as far as is known. A builder
// takes steps' results for the layers of an image that it made itself, and for
// those of another step that copied the same content. A step whose record is known
// is not asked again.
func (a *attribution) guess() {
	accounted := map[int32]bool{}
	for i := range a.records {
		if a.sure[i] {
			for _, v := range a.of[i] {
				accounted[v] = true
			}
		}
	}
	for _, i := range a.order {
		r := &a.records[i]
		if len(a.of[i]) > 0 || a.broken[i] || !r.isRegular() || a.isLayer(i) {
			continue
		}
		var among []int32
		for _, v := range a.described[graph.Normalize(r.Description)] {
			if !accounted[v] {
				among = append(among, v)
			}
		}
		a.of[i], a.sure[i] = a.atItsMoment(i, among)
	}
}

// contest takes back what is not sure: where more records seem to come from a step
// than it was made, the nearest in time are its own. The rest are somebody else's, or
// of another step of which it was not told yet.
func (a *attribution) contest() {
	type claim struct {
		v           int32
		description string
	}
	claims, accounted := map[claim][]int{}, map[claim]int{}
	for i := range a.records {
		if !a.sure[i] || len(a.of[i]) != 1 {
			continue
		}
		c := claim{a.of[i][0], graph.Normalize(a.records[i].Description)}
		if a.own[i] {
			accounted[c]++
		} else {
			claims[c] = append(claims[c], i)
		}
	}
	for c, records := range claims {
		times := max(len(a.made[c.v])-accounted[c], 0)
		if len(records) <= times {
			continue
		}
		slices.SortFunc(records, func(x, y int) int {
			return cmp.Compare(a.gap(c.v, &a.records[x], a.isNew(x)), a.gap(c.v, &a.records[y], a.isNew(y)))
		})
		for _, i := range records[times:] {
			a.of[i], a.sure[i], a.lost[i] = a.fitting(i), false, true
		}
	}
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

const (
	// A record is made before its step is told to be done: 1 to 9 ms on an idle
	// machine, up to 530 ms with 8 builds and deletes on two busy cores (measured on
	// v0.34.2).
	mostLate, mostEarly = time.Second, 250 * time.Millisecond
	// On a machine with more to do than it can it may take seconds. What was made
	// while the step ran is believed for longer.
	mostLateWithin = 5 * time.Second
	// An old daemon makes it when the next step begins or the image is exported: 40
	// to 160 ms after its step (measured on docker 20.10), but an export may have to
	// wait for a listing.
	oldEarly = time.Minute
	// Moments that are no further apart do not tell two steps apart.
	sameMoment = 400 * time.Millisecond
)

// atItsMoment returns those of the vertices that were made when the record was,
// and whether there are any.
func (a *attribution) atItsMoment(i int, among []int32) (nearest []int32, sure bool) {
	if len(a.made) == 0 || a.lost[i] {
		return nil, false
	}
	best := time.Duration(-1)
	gaps := make([]time.Duration, len(among))
	for n, v := range among {
		gaps[n] = a.gap(v, &a.records[i], a.isNew(i))
		if gaps[n] >= 0 && (best < 0 || gaps[n] < best) {
			best = gaps[n]
		}
	}
	if best < 0 {
		return nil, false
	}
	for n, v := range among {
		if gaps[n] >= 0 && (gaps[n] <= best+sameMoment || a.records[i].Old) {
			nearest = append(nearest, v)
		}
	}
	return distinct(nearest), true
}

// gap is how far the making of a record is from the nearest of a vertex; negative
// for too far. A mutable record says when its step began, any other when that was
// done (commit and DiskUsage in BuildKit's cache package).
func (a *attribution) gap(v int32, r *Record, isNew bool) time.Duration {
	best := time.Duration(-1)
	early := mostEarly
	if r.Old {
		early = oldEarly
	}
	for _, made := range a.made[v] {
		if made.Done.IsZero() {
			// A killed run was not told when it was done. What was there when this one
			// began may be it.
			if after := r.CreatedAt.Sub(made.Began); made.earlier && !isNew && after >= -early && (best < 0 || after.Abs() < best) {
				best = after.Abs()
			}
			continue
		}
		late := made.Done.Sub(r.CreatedAt)
		if r.Mutable {
			late = r.CreatedAt.Sub(made.Began)
		}
		most := mostLate
		if !r.Mutable && r.CreatedAt.After(made.Began) {
			most = mostLateWithin
		}
		if late > most || late < -early || made.earlier == isNew {
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
		if !a.sure[i] && !slices.Contains(a.told[i], v) {
			continue
		}
		if on, has := a.shared.ResultOn(v, graph.Normalize(a.records[i].Description)); has && n < len(on) {
			below = append(below, on[n])
		}
	}
	return below
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
