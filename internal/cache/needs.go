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

// Needs counts, for every vertex of a plan, the unfinished jobs that need it.
// Jobs have the numbers that they have in the plan: their place in the order of
// the run. It may be used by several goroutines. A Classify sees one moment of
// it: Finish and Learn wait for it.
type Needs struct {
	mu     sync.RWMutex
	shared *graph.Shared
	jobs   []jobState
	open   []int32 // unfinished jobs, by vertex
	done   []int   // by vertex, how many of its first jobs are known to be finished
	left   int     // unfinished jobs
	clock  int     // counts the finished
}

type jobState struct {
	name     string
	finished int // the clock when it finished; 0 while it is unfinished
}

// NewNeeds counts the needs of jobs, all of them unfinished.
func NewNeeds(jobs []Job) *Needs {
	n := &Needs{shared: graph.NewShared(), jobs: make([]jobState, len(jobs)), left: len(jobs)}
	for i, j := range jobs {
		n.jobs[i].name = j.Name
		n.shared.Set(i, j.Graph)
	}
	n.grow()
	for i := range jobs {
		n.count(i, +1)
	}
	return n
}

// grow makes room for vertices that have come.
func (n *Needs) grow() {
	for len(n.open) < n.shared.Len() {
		n.open = append(n.open, 0)
		n.done = append(n.done, 0)
	}
}

// count adds by to the counts of a job's vertices.
func (n *Needs) count(job int, by int32) {
	for _, v := range n.shared.Path(job) {
		n.open[v] += by
		n.skip(v)
	}
}

// skip counts the first jobs of a vertex that are finished.
func (n *Needs) skip(v int32) {
	for jobs := n.shared.JobsOf(v); n.done[v] < len(jobs) && n.jobs[jobs[n.done[v]]].finished != 0; {
		n.done[v]++
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
		n.done[v] = 0 // the places of its jobs have changed
		n.skip(v)
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
		planned, told := n.shared.Kind(v), &g.Vertices[i]
		if planned != told.Kind || n.shared.Name(v) != told.Name || planned == graph.Layer && n.shared.ID(v) != told.ID {
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

// first returns the first unfinished job that needs a vertex, or NoJob. The
// caller holds mu.
func (n *Needs) first(v int32) int {
	if n.open[v] == 0 {
		return NoJob
	}
	return int(n.shared.JobsOf(v)[n.done[v]])
}

// anyFinished tells whether a job that has a vertex is finished. The caller holds mu.
func (n *Needs) anyFinished(v int32) bool { return int(n.open[v]) < len(n.shared.JobsOf(v)) }

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

// Wanting is the unfinished jobs that need one record.
type Wanting struct {
	needs    *Needs
	vertices []int32
}

// First returns the first of the jobs in the order of the run, or NoJob.
func (w Wanting) First() int {
	w.needs.mu.RLock()
	defer w.needs.mu.RUnlock()
	first := NoJob
	for _, v := range w.vertices {
		if job := w.needs.first(v); job != NoJob && (first == NoJob || job < first) {
			first = job
		}
	}
	return first
}

// Any tells whether one of the jobs is as asked.
func (w Wanting) Any(is func(job int) bool) bool {
	w.needs.mu.RLock()
	defer w.needs.mu.RUnlock()
	for _, v := range w.vertices {
		for _, job := range w.needs.shared.JobsOf(v) {
			if w.needs.jobs[job].finished == 0 && is(int(job)) {
				return true
			}
		}
	}
	return false
}

// Has tells whether a job is one of them.
func (w Wanting) Has(job int) bool { return w.Any(func(j int) bool { return j == job }) }

// Only tells whether a job is the only one of them.
func (w Wanting) Only(job int) bool {
	return w.Has(job) && !w.Any(func(j int) bool { return j != job })
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
	clear(n.done) // the places of jobs have changed
	for job := range jobs {
		n.count(job, 0)
	}
}
