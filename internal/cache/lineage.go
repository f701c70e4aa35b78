package cache

import "slices"

// lineage is the records by their parents and children. Its indexes are those of
// the list of records.
type lineage struct {
	records  []Record
	index    map[string]int // the first record of each id
	parents  [][]int
	children [][]int
	// order has every record that can be reached from records without parents,
	// parents before children; what it lacks is in a circle or above one.
	order []int
	// broken are records whose lineage is incomplete, circular or ambiguous.
	broken []bool
	// depth counts the ancestors of a record that has exactly one at each step
	// down, and is -1 for every other.
	depth []int
}

func newLineage(records []Record) *lineage {
	g := &lineage{
		records:  records,
		index:    make(map[string]int, len(records)),
		parents:  make([][]int, len(records)),
		children: make([][]int, len(records)),
		broken:   make([]bool, len(records)),
		depth:    make([]int, len(records)),
	}
	g.connect()
	g.sort()
	g.measure()
	return g
}

// connect finds parents and children. Of records with the same id the first one
// stands for all, and none can be trusted.
func (g *lineage) connect() {
	for i, r := range g.records {
		if first, ok := g.index[r.ID]; ok {
			g.broken[i], g.broken[first] = true, true
			continue
		}
		g.index[r.ID] = i
	}
	for i, r := range g.records {
		for k, id := range r.Parents {
			p, ok := g.index[id]
			if !ok {
				g.broken[i] = true
				continue
			}
			if slices.Contains(r.Parents[:k], id) {
				continue
			}
			g.parents[i] = append(g.parents[i], p)
			g.children[p] = append(g.children[p], i)
		}
	}
}

// sort fills order, and marks as broken what it does not reach.
func (g *lineage) sort() {
	missing := make([]int, len(g.records))
	g.order = make([]int, 0, len(g.records))
	for i := range g.records {
		missing[i] = len(g.parents[i])
		if missing[i] == 0 {
			g.order = append(g.order, i)
		}
	}
	for next := 0; next < len(g.order); next++ {
		for _, c := range g.children[g.order[next]] {
			if missing[c]--; missing[c] == 0 {
				g.order = append(g.order, c)
			}
		}
	}
	for i := range g.records {
		if missing[i] > 0 {
			g.broken[i] = true
		}
	}
}

// measure fills depth, and hands broken on to the records above.
func (g *lineage) measure() {
	for i := range g.depth {
		g.depth[i] = -1
	}
	for _, i := range g.order {
		for _, p := range g.parents[i] {
			g.broken[i] = g.broken[i] || g.broken[p]
		}
		switch parents := g.parents[i]; {
		case g.broken[i]:
		case len(parents) == 0:
			g.depth[i] = 0
		case len(parents) == 1 && g.depth[parents[0]] >= 0:
			g.depth[i] = g.depth[parents[0]] + 1
		}
	}
}
