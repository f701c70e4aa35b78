package graph

import (
	"cmp"
	"slices"
)

// Order returns jobs in the order in which to build them, so that what they
// share is needed for the shortest time: depth first through the tree of what
// they have in common, large shared subtrees first, and jobs that share nothing
// in their given order. Subtrees of jobs that have begun, which are not among them,
// come before all others: what those have made is there. Where that leaves the choice,
// those go first that take long, so that no worker is left with one at the end.
// It takes time in proportion to the vertices that several jobs have.
func (s *Shared) Order(jobs, begun []int, costs Costs) []int {
	t := tree{nodes: []treeNode{{}}, child: map[edge]int{}, weight: costs.Weight}
	seconds := costs.of(jobs)
	for place, job := range jobs {
		t.add(endingJob{place, job, seconds[place]}, s.common(job))
	}
	for _, job := range begun {
		t.begin(s.common(job))
	}
	return t.walk(make([]int, 0, len(jobs)), 0)
}

// Costs are what jobs are ordered by.
type Costs struct {
	// Weight is what a vertex takes, in bytes.
	Weight func(v int32) int64
	// Seconds is how long a job takes, 0 where that is not known; nil where it is of none.
	Seconds func(job int) float64
}

// of returns how long jobs take, at their places; what is not known of some is the mean of
// what is known of others.
func (c Costs) of(jobs []int) []float64 {
	seconds := make([]float64, len(jobs))
	if c.Seconds == nil {
		return seconds
	}
	var sum float64
	known := 0
	for i, job := range jobs {
		if seconds[i] = c.Seconds(job); seconds[i] > 0 {
			sum, known = sum+seconds[i], known+1
		}
	}
	for i := range seconds {
		if seconds[i] <= 0 && known > 0 {
			seconds[i] = sum / float64(known)
		}
	}
	return seconds
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
	seconds  float64
}

// endingJob is a job that has nothing in common with others above a node.
type endingJob struct {
	place, job int
	seconds    float64
}

func (t *tree) add(j endingJob, path []int32) {
	at := 0
	t.nodes[0].count++
	for _, v := range path {
		next, known := t.child[edge{at, v}]
		if !known {
			next = len(t.nodes)
			t.child[edge{at, v}] = next
			t.nodes = append(t.nodes, treeNode{first: j.place, bytes: t.weight(v)})
			t.nodes[at].children = append(t.nodes[at].children, next)
		}
		at = next
		t.nodes[at].count++
		t.nodes[at].seconds += j.seconds
	}
	t.nodes[at].jobs = append(t.nodes[at].jobs, j)
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

// branch is a part of a subtree that is built in one go: a child, or a job that ends there.
type branch struct {
	child int // -1 for a job
	job   endingJob
}

// walk appends the jobs of a subtree in their order: first the children that
// share something, then what shares nothing, what takes long first and else as it was given.
func (t *tree) walk(order []int, at int) []int {
	var sharing []int
	var alone []branch
	for _, c := range t.nodes[at].children {
		if t.weigh(c); t.nodes[c].shared > 0 || t.nodes[c].begun {
			sharing = append(sharing, c)
		} else {
			alone = append(alone, branch{c, endingJob{place: t.nodes[c].first, seconds: t.nodes[c].seconds}})
		}
	}
	for _, j := range t.nodes[at].jobs {
		alone = append(alone, branch{-1, j})
	}
	slices.SortStableFunc(sharing, func(a, b int) int {
		x, y := &t.nodes[a], &t.nodes[b]
		return cmp.Or(begunFirst(x, y), cmp.Compare(y.shared, x.shared), cmp.Compare(y.seconds, x.seconds), cmp.Compare(x.first, y.first))
	})
	slices.SortStableFunc(alone, func(a, b branch) int {
		return cmp.Or(cmp.Compare(b.job.seconds, a.job.seconds), cmp.Compare(a.job.place, b.job.place))
	})
	for _, c := range sharing {
		order = t.walk(order, c)
	}
	for _, b := range alone {
		if b.child < 0 {
			order = append(order, b.job.job)
		} else {
			order = t.walk(order, b.child)
		}
	}
	return order
}

func begunFirst(a, b *treeNode) int {
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
