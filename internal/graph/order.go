package graph

import (
	"cmp"
	"slices"
)

// Order returns jobs in the order in which to build them, so that what they
// share is needed for the shortest time: depth first through the tree of what
// they have in common, large shared subtrees first, and jobs that share nothing
// in their given order. Subtrees of jobs that have begun, which are not among them,
// come before all others: what those have made is there. Weight is what a vertex
// takes, in bytes. It takes time in proportion to the vertices that several jobs have.
func (s *Shared) Order(jobs, begun []int, weight func(v int32) int64) []int {
	t := tree{nodes: []treeNode{{}}, child: map[edge]int{}, weight: weight}
	for place, job := range jobs {
		t.add(place, job, s.common(job))
	}
	for _, job := range begun {
		t.begin(s.common(job))
	}
	return t.walk(make([]int, 0, len(jobs)), 0)
}

// common returns the vertices of a job that other jobs have, too.
func (s *Shared) common(job int) []int32 {
	var out []int32
	for _, v := range s.Path(job) {
		if len(s.vertices[v].jobs) > 1 {
			out = append(out, v)
		}
	}
	return out
}

// tree is the tree of what jobs have in common. Node 0 is below all.
type tree struct {
	nodes  []treeNode
	child  map[edge]int
	weight func(v int32) int64
}

type edge struct {
	parent int
	vertex int32
}

type treeNode struct {
	children []int
	jobs     []endingJob
	first    int   // the place of the subtree's first job, for a stable order
	count    int   // jobs of the subtree
	bytes    int64 // of the vertex
	shared   int64 // bytes of the subtree that several jobs share
	begun    bool  // a job that has begun has the vertex, too
}

// endingJob is a job that has nothing in common with others above a node.
type endingJob struct{ place, job int }

func (t *tree) add(place, job int, path []int32) {
	at := 0
	t.nodes[0].count++
	for _, v := range path {
		next, known := t.child[edge{at, v}]
		if !known {
			next = len(t.nodes)
			t.child[edge{at, v}] = next
			t.nodes = append(t.nodes, treeNode{first: place, bytes: t.weight(v)})
			t.nodes[at].children = append(t.nodes[at].children, next)
		}
		at = next
		t.nodes[at].count++
	}
	t.nodes[at].jobs = append(t.nodes[at].jobs, endingJob{place, job})
}

// begin notes what a job has that has begun.
func (t *tree) begin(path []int32) {
	at := 0
	for _, v := range path {
		next, known := t.child[edge{at, v}]
		if !known {
			return
		}
		at = next
		t.nodes[at].begun = true
	}
}

// walk appends the jobs of a subtree in their order: first the children that
// share something, then what shares nothing as it was given.
func (t *tree) walk(order []int, at int) []int {
	children, jobs := t.nodes[at].children, t.nodes[at].jobs
	for _, c := range children {
		t.weigh(c)
	}
	slices.SortStableFunc(children, func(a, b int) int {
		return cmp.Or(begunFirst(t.nodes[a], t.nodes[b]), cmp.Compare(t.nodes[b].shared, t.nodes[a].shared), cmp.Compare(t.nodes[a].first, t.nodes[b].first))
	})
	for _, c := range children {
		for t.nodes[c].shared == 0 && !t.nodes[c].begun && len(jobs) > 0 && jobs[0].place < t.nodes[c].first {
			order, jobs = append(order, jobs[0].job), jobs[1:]
		}
		order = t.walk(order, c)
	}
	for _, j := range jobs {
		order = append(order, j.job)
	}
	return order
}

func begunFirst(a, b treeNode) int {
	switch {
	case a.begun == b.begun:
		return 0
	case a.begun:
		return -1
	}
	return 1
}

// weigh sums up what the jobs of a subtree share.
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
