package layers

import (
	"cmp"
	"slices"
)

// Order returns the places of chains in the order in which to build on them, so
// that shared layers are needed for the shortest time: depth first through the
// tree of their shared layers, large shared subtrees first, and chains that
// share nothing in their given order. The i-th element is the index in chains
// of the i-th to build. It takes time in proportion to the layers of the
// different chains.
func Order(chains []Chain) []int {
	t := tree{nodes: []treeNode{{}}, child: map[edge]int{}}
	for i, c := range chains {
		t.add(i, c)
	}
	return t.walk(make([]int, 0, len(chains)), 0)
}

// tree is the tree of the shared layers of chains. Node 0 is below all layers.
type tree struct {
	nodes []treeNode
	child map[edge]int
}

type edge struct {
	parent int
	key    Key
}

type treeNode struct {
	children []int
	chains   []int // those that end here
	first    int   // the first chain of the subtree, for a stable order
	count    int   // chains of the subtree
	bytes    int64 // of the layer, compressed
	shared   int64 // bytes of the subtree that several chains share
}

func (t *tree) add(chain int, c Chain) {
	at := 0
	t.nodes[0].count++
	for depth, key := range c.Keys() {
		next, known := t.child[edge{at, key}]
		if !known {
			next = len(t.nodes)
			t.child[edge{at, key}] = next
			t.nodes = append(t.nodes, treeNode{first: chain, bytes: c.Layers[depth].Size})
			t.nodes[at].children = append(t.nodes[at].children, next)
		}
		at = next
		t.nodes[at].count++
	}
	t.nodes[at].chains = append(t.nodes[at].chains, chain)
}

// walk appends the chains of a subtree in their order.
func (t *tree) walk(order []int, at int) []int {
	order = append(order, t.nodes[at].chains...)
	children := t.nodes[at].children
	for _, c := range children {
		t.weigh(c)
	}
	slices.SortStableFunc(children, func(a, b int) int {
		return cmp.Or(cmp.Compare(t.nodes[b].shared, t.nodes[a].shared), cmp.Compare(t.nodes[a].first, t.nodes[b].first))
	})
	for _, c := range children {
		order = t.walk(order, c)
	}
	return order
}

// weigh sums up what the chains of a subtree share.
func (t *tree) weigh(at int) int64 {
	n := &t.nodes[at]
	if n.count < 2 || n.shared > 0 {
		return n.shared
	}
	shared := n.bytes
	for _, c := range n.children {
		shared += t.weigh(c)
	}
	t.nodes[at].shared = shared
	return shared
}
