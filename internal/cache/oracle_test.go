package cache

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/layers"
)

// oracle judges records by the rules of Classify, word for word, and asks every
// question anew: no counters, no shapes, no numbers, no order.
type oracle struct {
	View
	jobs     []Job
	finished map[int]bool
}

func (o *oracle) states() []State {
	list := make([]State, len(o.Records))
	for i := range list {
		list[i] = o.state(i)
	}
	return list
}

// state is a record's own state unless a child keeps it.
func (o *oracle) state(i int) State {
	own := o.own(i)
	if own != Dead {
		return own
	}
	for c := range o.Records {
		if !o.isChild(c, i) {
			continue
		}
		switch o.state(c) {
		case Live:
			return Live
		case Foreign:
			own = Foreign
		}
	}
	return own
}

func (o *oracle) own(i int) State {
	r := o.Records[i]
	_, was := o.Before[r.ID]
	mine := !was && o.Exclusive
	step := o.Steps(r.Description)
	if !o.readable(i, nil) {
		return Foreign
	}
	if key, ok := o.key(i); ok && o.inPlan(key) {
		return o.whileAny(func(j Job) bool { return o.reads(j, key) })
	}
	if o.layer(i) || r.Kind != KindRegular {
		return o.held(mine)
	}
	keys, known := o.lineage(i)
	switch {
	case !known:
		return o.held(mine)
	case len(keys) == 0:
		return o.held(mine || !was && step)
	case !mine && !step:
		return Foreign
	}
	builds := func(j Job) bool {
		for _, k := range keys {
			if !o.endsWith(j, k) {
				return false
			}
		}
		return true
	}
	if was && o.whileAny(func(j Job) bool { return o.goesOn(j, keys) }) == Live {
		return Live
	}
	for _, j := range o.jobs {
		if builds(j) {
			return o.whileAny(builds)
		}
	}
	return o.held(mine)
}

func (o *oracle) whileAny(needs func(Job) bool) State {
	for _, j := range o.jobs {
		if !o.finished[j.ID] && needs(j) {
			return Live
		}
	}
	return Dead
}

func (o *oracle) held(mine bool) State {
	if !mine {
		return Foreign
	}
	return o.whileAny(func(Job) bool { return true })
}

func (o *oracle) isChild(c, p int) bool {
	for _, id := range o.Records[c].Parents {
		if o.at(id) == p {
			return true
		}
	}
	return false
}

func (o *oracle) at(id string) int {
	for i, r := range o.Records {
		if r.ID == id {
			return i
		}
	}
	return -1
}

// readable: no ancestor is missing, ambiguous or its own ancestor.
func (o *oracle) readable(i int, above []string) bool {
	id := o.Records[i].ID
	for _, a := range above {
		if a == id {
			return false
		}
	}
	same := 0
	for _, r := range o.Records {
		if r.ID == id {
			same++
		}
	}
	if same > 1 {
		return false
	}
	for _, p := range o.Records[i].Parents {
		if at := o.at(p); at < 0 || !o.readable(at, append(above[:len(above):len(above)], id)) {
			return false
		}
	}
	return true
}

func (o *oracle) layer(i int) bool {
	r := o.Records[i]
	return strings.HasPrefix(r.Description, "pulled from ") || r.Description == "" && r.Kind == KindRegular
}

// depth counts ancestors, one at each step.
func (o *oracle) depth(i int) (int, bool) {
	switch parents := o.Records[i].Parents; len(parents) {
	case 0:
		return 0, true
	case 1:
		d, ok := o.depth(o.at(parents[0]))
		return d + 1, ok
	}
	return 0, false
}

// key is the layer that a record is: by its own name or by that of a layer above.
func (o *oracle) key(i int) (layers.Key, bool) {
	depth, linear := o.depth(i)
	if !linear || !o.layer(i) {
		return layers.Key{}, false
	}
	if c, ok := o.named(i, depth); ok {
		return c.Key(depth), true
	}
	c, ok := o.namedAbove(i, depth)
	return c.Key(depth), ok
}

func (o *oracle) namedAbove(i, depth int) (layers.Chain, bool) {
	for child := range o.Records {
		if !o.isChild(child, i) || !o.layer(child) || len(o.Records[child].Parents) != 1 || !o.readable(child, nil) {
			continue
		}
		if c, ok := o.named(child, depth+1); ok {
			return c, true
		}
		if c, ok := o.namedAbove(child, depth+1); ok {
			return c, true
		}
	}
	return layers.Chain{}, false
}

func (o *oracle) named(i, depth int) (layers.Chain, bool) {
	_, name, _ := strings.Cut(o.Records[i].Description, "@")
	for _, j := range o.jobs {
		for _, c := range j.Bases {
			if c.Digest == digest.Digest(name) && depth < len(c.Layers) {
				return c, true
			}
		}
	}
	c, ok := o.Explain(digest.Digest(name))
	return c, ok && depth < len(c.Layers)
}

// lineage has the keys of the nearest layers below, and whether all are of the
// plan.
func (o *oracle) lineage(i int) (keys []layers.Key, known bool) {
	for _, p := range o.Records[i].Parents {
		at := o.at(p)
		key, ok := o.key(at)
		switch {
		case ok && o.inPlan(key):
			keys = append(keys, key)
		case o.layer(at):
			return nil, false
		default:
			more, ok := o.lineage(at)
			if !ok {
				return nil, false
			}
			keys = append(keys, more...)
		}
	}
	return keys, true
}

// same has all keys that the names of records cannot tell from k.
func (o *oracle) same(k layers.Key) map[layers.Key]bool {
	found := map[layers.Key]bool{k: true}
	for size := 0; size != len(found); {
		size = len(found)
		o.eachChain(func(a layers.Chain) {
			o.eachChain(func(b layers.Chain) {
				for d := range min(len(a.Layers), len(b.Layers)) {
					if a.Digest == b.Digest && found[a.Key(d)] {
						found[b.Key(d)] = true
					}
				}
			})
		})
	}
	return found
}

func (o *oracle) eachChain(f func(layers.Chain)) {
	for _, j := range o.jobs {
		for _, c := range j.Bases {
			f(c)
		}
	}
}

func (o *oracle) inPlan(k layers.Key) bool {
	found := false
	o.eachChain(func(c layers.Chain) {
		for _, x := range c.Keys() {
			found = found || x == k
		}
	})
	return found
}

func (o *oracle) reads(j Job, k layers.Key) bool {
	return o.some(j, k, func(layers.Chain, int) bool { return true })
}

func (o *oracle) endsWith(j Job, k layers.Key) bool {
	return o.some(j, k, func(c layers.Chain, d int) bool { return d == len(c.Layers)-1 })
}

func (o *oracle) goesOn(j Job, keys []layers.Key) bool {
	for _, k := range keys {
		if o.some(j, k, func(c layers.Chain, d int) bool { return d < len(c.Layers)-1 }) {
			return true
		}
	}
	return false
}

func (o *oracle) some(j Job, k layers.Key, want func(c layers.Chain, d int) bool) bool {
	same := o.same(k)
	for _, c := range j.Bases {
		for d, x := range c.Keys() {
			if same[x] && want(c, d) {
				return true
			}
		}
	}
	return false
}
