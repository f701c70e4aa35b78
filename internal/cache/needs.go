package cache

import (
	"slices"
	"sync"

	"github.com/stoker-build/stoker/internal/graph"
)

// NoJob stands where there is no job.
const NoJob = -1

// Job is what this package knows of a job.
type Job struct {
	Name string
	// Graph is what its build does; empty where that is not known.
	Graph graph.Graph
}

// Needs counts, for every vertex of a plan, the unfinished jobs that need it: in all,
// and on each node, once it is known that jobs are built there only. Jobs have the
// numbers that they have in the plan: their place in the order of the run. It may be used
// by several goroutines. A Classify sees one moment of it: Finish and Learn wait for it.
type Needs struct {
	mu     sync.RWMutex
	shared *graph.Shared
	jobs   []jobState
	all    counts
	nodes  []*counts // by node; none where there is one node
	left   int       // unfinished jobs
	clock  int       // counts the finished
	// inherited are layers of images that jobs have made, which stand for steps' results.
	inherited map[graph.ID]bool
	// inheritedOn are these results, by what is right below them in the images.
	inheritedOn map[int32][]int32
}

type jobState struct {
	name     string
	finished int   // the clock when it finished; 0 while it is unfinished
	home     int   // the only node that it is built on; anywhere where that is open
	on       []int // other jobs, on what they make it is built
}

// anywhere is the home of a job that may be built on any node.
const anywhere = -1

// counts are the unfinished jobs that need vertices, on all nodes or on one.
type counts struct {
	node int     // anywhere for all
	open []int32 // jobs, by vertex
	done []int   // by vertex, how many of its first jobs are known not to need it
}

// has tells whether a job's needs count here.
func (c *counts) has(j *jobState) bool {
	return j.finished == 0 && (c.node == anywhere || j.home == anywhere || j.home == c.node)
}

// NewNeeds counts the needs of jobs, all of them unfinished.
func NewNeeds(jobs []Job) *Needs {
	n := &Needs{shared: graph.NewShared(), jobs: make([]jobState, len(jobs)), all: counts{node: anywhere}, left: len(jobs),
		inherited: map[graph.ID]bool{}, inheritedOn: map[int32][]int32{}}
	for i, j := range jobs {
		n.jobs[i].name, n.jobs[i].home = j.Name, anywhere
		n.shared.Set(i, j.Graph)
	}
	n.grow()
	for i := range jobs {
		n.count(i, +1)
	}
	return n
}

// Spread counts for so many nodes from now on. It must be called before any Classify.
func (n *Needs) Spread(nodes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for node := range nodes {
		c := &counts{node: node, open: slices.Clone(n.all.open), done: slices.Clone(n.all.done)}
		n.nodes = append(n.nodes, c)
	}
}

// Place says on which node alone jobs are built; on any again with a negative one.
func (n *Needs) Place(jobs []int, node int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, job := range jobs {
		j := &n.jobs[job]
		if j.home == max(node, anywhere) {
			continue
		}
		if j.finished != 0 {
			j.home = max(node, anywhere)
			continue
		}
		n.count(job, -1)
		j.home = max(node, anywhere)
		n.count(job, +1)
		for _, c := range n.nodes {
			for _, v := range n.shared.Path(job) {
				c.done[v] = 0 // the job may need it again
				n.skip(c, v)
			}
		}
	}
}

// at returns what counts on a node. The caller holds mu.
func (n *Needs) at(node int) *counts {
	if node < len(n.nodes) {
		return n.nodes[node]
	}
	return &n.all
}

// everyCount calls do with all counts.
func (n *Needs) everyCount(do func(*counts)) {
	do(&n.all)
	for _, c := range n.nodes {
		do(c)
	}
}

// grow makes room for vertices that have come.
func (n *Needs) grow() {
	n.everyCount(func(c *counts) {
		for len(c.open) < n.shared.Len() {
			c.open = append(c.open, 0)
			c.done = append(c.done, 0)
		}
	})
}

// count adds by to the counts of a job's vertices, wherever the job is to be built.
func (n *Needs) count(job int, by int32) {
	j := &n.jobs[job]
	n.everyCount(func(c *counts) {
		here := c.node == anywhere || j.home == anywhere || j.home == c.node
		for _, v := range n.shared.Path(job) {
			if here {
				c.open[v] += by
			}
			n.skip(c, v)
		}
	})
}

// skip counts the first jobs of a vertex that do not need it.
func (n *Needs) skip(c *counts, v int32) {
	for jobs := n.shared.JobsOf(v); c.done[v] < len(jobs) && !c.has(&n.jobs[jobs[c.done[v]]]); {
		c.done[v]++
	}
}

// Finish notes that a job needs nothing any more. It does nothing for an unknown
// or a finished job.
func (n *Needs) Finish(job int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if job < 0 || job >= len(n.jobs) || n.jobs[job].finished != 0 {
		return
	}
	n.clock++
	n.jobs[job].finished = n.clock
	n.left--
	n.count(job, -1)
}

// Learn gives a job another graph: that of a build that has begun, which is what
// it really does. It tells whether that is news.
func (n *Needs) Learn(job int, g graph.Graph) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if job < 0 || job >= len(n.jobs) {
		return false
	}
	if n.same(job, g) {
		n.shared.AddImages(g.Images) // a tag may have moved to an image with the same layers
		return false
	}
	if n.align(job, g) {
		return false
	}
	open := n.jobs[job].finished == 0
	if open {
		n.count(job, -1)
	}
	before := n.shared.Path(job)
	n.shared.Set(job, g)
	n.grow()
	if open {
		n.count(job, +1)
	}
	for _, v := range slices.Concat(before, n.shared.Path(job)) {
		n.everyCount(func(c *counts) {
			c.done[v] = 0 // the places of its jobs have changed
			n.skip(c, v)
		})
	}
	return true
}

// same tells whether a job has this graph already.
func (n *Needs) same(job int, g graph.Graph) bool {
	path := n.shared.Path(job)
	if len(path) != len(g.Vertices) {
		return false
	}
	has := make(map[int32]bool, len(path))
	for _, v := range path {
		has[v] = true
	}
	for i := range g.Vertices {
		if v, known := n.shared.Find(g.Vertices[i].ID); !known || !has[v] {
			return false
		}
	}
	return true
}

// align makes the vertices of a graph known as those that a job has at the same
// places, and tells whether it could: where all are called the same. Then it is
// the same build, told by another frontend or made of a context that has changed,
// and other jobs that were thought to share steps with this one still do.
func (n *Needs) align(job int, g graph.Graph) bool {
	path := n.shared.Path(job)
	if len(path) == 0 || len(path) != len(g.Vertices) {
		return false
	}
	for i, v := range path {
		told := &g.Vertices[i]
		at, known := n.shared.Find(told.ID)
		if known && at == v {
			continue
		}
		if told.Kind == graph.Layer || n.shared.Kind(v) != told.Kind || n.shared.Name(v) != told.Name {
			return false
		}
	}
	for i, v := range path {
		if _, known := n.shared.Find(g.Vertices[i].ID); !known {
			n.shared.Alias(g.Vertices[i].ID, v)
		}
	}
	return true
}

// Read calls do with the graph of all jobs, which does not change meanwhile.
func (n *Needs) Read(do func(*graph.Shared)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	do(n.shared)
}

// SetSize notes the compressed size of a layer in bytes.
func (n *Needs) SetSize(layer graph.ID, bytes int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shared.SetSize(layer, bytes)
}

// first returns the first unfinished job that needs a vertex on a node, or NoJob. The
// caller holds mu.
func (n *Needs) first(v int32, node int) int {
	c := n.at(node)
	if c.open[v] == 0 {
		return NoJob
	}
	return int(n.shared.JobsOf(v)[c.done[v]])
}

// last returns the job of a vertex that finished last, and when. The caller holds
// mu.
func (n *Needs) last(v int32) (job, clock int) {
	job = NoJob
	for _, j := range n.shared.JobsOf(v) {
		if n.jobs[j].finished > clock {
			job, clock = int(j), n.jobs[j].finished
		}
	}
	return job, clock
}

// Renumber gives the jobs other numbers: the one with the number order[i] gets i.
// It must name each job once.
func (n *Needs) Renumber(order []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shared.Renumber(order)
	jobs := make([]jobState, len(order))
	for i, was := range order {
		jobs[i] = n.jobs[was]
	}
	n.jobs = jobs
	n.everyCount(func(c *counts) { clear(c.done) }) // the places of jobs have changed
	for job := range jobs {
		n.count(job, 0)
	}
}
