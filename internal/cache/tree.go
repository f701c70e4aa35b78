package cache

import (
	"cmp"
	"slices"
	"time"
)

// Tree is what a builder holds, by base image.
type Tree struct {
	Layers []*Branch // the bottom layers, largest Total first
	Loose  Bytes     // of the records that hang on no layer
	Kinds  []*Kind   // the same, by their kinds, largest first
}

// Kind is the records of one kind that hang on no layer.
type Kind struct {
	Name  string // KindRegular and so on
	Total Bytes
	Use   Use
}

// Use tells how records are used.
type Use struct {
	Records int
	InUse   int       // of them, how many running builds hold
	Last    time.Time // when one was last used, or made
}

func (u *Use) add(r *Record) {
	u.Records++
	if r.InUse {
		u.InUse++
	}
	if r.used().After(u.Last) {
		u.Last = r.used()
	}
}

func (u *Use) join(o Use) {
	u.Records += o.Records
	u.InUse += o.InUse
	if o.Last.After(u.Last) {
		u.Last = o.Last
	}
}

// Branch is one pulled layer with all that hangs on it.
type Branch struct {
	// Ref is the reference that the record is named after: that of the image
	// which pulled the layer first, not of all that use it. It is empty for a
	// layer that is not pulled yet.
	Ref     string
	Record  Record
	Verdict Verdict
	// Steps are the records that hang on this layer and on none above it.
	Steps Sum
	// Total and Use are of the layer and all above it, steps included.
	Total Bytes
	Use   Use
	// Layers are the layers right above, largest Total first.
	Layers []*Branch
}

// Bytes are sizes by state.
type Bytes struct{ Live, Dead, Foreign, LeftOver int64 }

// Sum returns the bytes of all states.
func (b Bytes) Sum() int64 { return b.Live + b.Dead + b.Foreign + b.LeftOver }

func (b *Bytes) add(s State, n int64) {
	*[...]*int64{Foreign: &b.Foreign, Live: &b.Live, Dead: &b.Dead, LeftOver: &b.LeftOver}[s] += n
}

func (b *Bytes) join(o Bytes) {
	b.Live += o.Live
	b.Dead += o.Dead
	b.Foreign += o.Foreign
	b.LeftOver += o.LeftOver
}

// Total returns the size and the use of all records.
func (t Tree) Total() (bytes Bytes, use Use) {
	for _, b := range t.Layers {
		bytes.join(b.Total)
		use.join(b.Use)
	}
	for _, k := range t.Kinds {
		bytes.join(k.Total)
		use.join(k.Use)
	}
	return bytes, use
}

// Tree groups the records by base image. A record that hangs on several layers
// counts for the first of them.
func (r *Report) Tree() Tree {
	var t Tree
	on := make([]*Branch, len(r.Records))    // the branch that a record is or hangs on
	below := make([]*Branch, len(r.Records)) // for a layer, the branch under it
	own := make([]bool, len(r.Records))      // the record is a branch itself
	for _, i := range r.order {
		under := r.firstBranch(i, on)
		rec, v := r.Records[i], r.Verdicts[i]
		if r.isLayer(i) && r.depth[i] >= 0 {
			ref, _, _ := pulledName(rec.Description)
			on[i], below[i], own[i] = &Branch{Ref: ref, Record: rec, Verdict: v}, under, true
			on[i].Total.add(v.State, rec.Size)
			on[i].Use.add(&rec)
			continue
		}
		if on[i] = under; under != nil {
			under.Steps.Add(&rec)
			under.Total.add(v.State, rec.Size)
			under.Use.add(&rec)
		}
	}
	for _, i := range slices.Backward(r.order) {
		if !own[i] {
			continue
		}
		sortBranches(on[i].Layers)
		if below[i] == nil {
			t.Layers = append(t.Layers, on[i])
			continue
		}
		below[i].Layers = append(below[i].Layers, on[i])
		below[i].Total.join(on[i].Total)
		below[i].Use.join(on[i].Use)
	}
	sortBranches(t.Layers)
	for i := range r.Records {
		if on[i] == nil {
			t.addLoose(&r.Records[i], r.Verdicts[i].State)
		}
	}
	slices.SortStableFunc(t.Kinds, func(a, b *Kind) int { return cmp.Compare(b.Total.Sum(), a.Total.Sum()) })
	return t
}

// addLoose counts a record that hangs on no layer.
func (t *Tree) addLoose(rec *Record, s State) {
	name := cmp.Or(rec.Kind, KindRegular)
	at := slices.IndexFunc(t.Kinds, func(k *Kind) bool { return k.Name == name })
	if at < 0 {
		at = len(t.Kinds)
		t.Kinds = append(t.Kinds, &Kind{Name: name})
	}
	t.Loose.add(s, rec.Size)
	t.Kinds[at].Total.add(s, rec.Size)
	t.Kinds[at].Use.add(rec)
}

func (r *Report) firstBranch(i int, on []*Branch) *Branch {
	for _, p := range r.parents[i] {
		if on[p] != nil {
			return on[p]
		}
	}
	return nil
}

func sortBranches(list []*Branch) {
	slices.SortStableFunc(list, func(a, b *Branch) int {
		if a.Total.Sum() != b.Total.Sum() {
			if a.Total.Sum() > b.Total.Sum() {
				return -1
			}
			return 1
		}
		if a.Record.ID < b.Record.ID {
			return -1
		}
		return 1
	})
}
