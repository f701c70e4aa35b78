package run

import (
	"container/heap"
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Scale is what a run would come to on some nodes, by how long jobs took in an earlier
// run.
type Scale struct {
	Nodes int `json:"nodes"`
	// Seconds is how long it would take. Where it is not known how long jobs take, it
	// counts in the time of one job.
	Seconds float64 `json:"seconds"`
	// PullBytes are the compressed bytes that the nodes would pull in all, where their
	// caches are empty.
	PullBytes int64 `json:"pull_bytes"`
	// Pays says that it takes less time than the next smaller number of nodes by more
	// than a tenth.
	Pays bool `json:"pays"`
}

// whatPays is by how much more nodes must be faster to pay.
const whatPays = 0.9

// scales simulates the open tasks on some numbers of nodes, in ascending order.
func (r *run) scales(tasks []*task, nodes []int, pace ledger.Pace) []Scale {
	var s simulation
	r.needs.Read(func(g *graph.Shared) {
		s.size = make([]int64, g.Len())
		for v := range int32(g.Len()) {
			if g.Kind(v) == graph.Layer {
				s.size[v] = g.Size(v)
			}
		}
		for _, t := range tasks {
			s.jobs = append(s.jobs, slices.Sorted(slices.Values(g.PathWithout(t.number, t.known.unpulled))))
		}
	})
	s.pace, s.workers = pace, r.Workers
	if s.pace.SecondsPerJob == 0 {
		s.pace = ledger.Pace{SecondsPerJob: 1}
	}
	nodes = slices.Compact(slices.Sorted(slices.Values(nodes)))
	var scales []Scale
	for i, n := range nodes {
		scale := s.run(n)
		scale.Pays = i == 0 || scale.Seconds < whatPays*scales[i-1].Seconds
		scales = append(scales, scale)
	}
	return scales
}

// simulation is a run in which a job takes as long as all others, and besides what its
// node pulls for it.
type simulation struct {
	jobs    [][]int32 // in order, the vertices of each, sorted
	size    []int64   // by vertex, what of it is pulled; 0 for what is made
	pace    ledger.Pace
	workers int // of each node
}

// simulated is one node of a simulation.
type simulated struct {
	left []int // jobs, in order
	has  []bool
}

// free is a worker that has nothing to do from a moment on.
type free struct {
	at   float64
	turn int // who comes first of several
	node int
}

type freeWorkers []free

func (f freeWorkers) Len() int { return len(f) }
func (f freeWorkers) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].turn < f[j].turn
}
func (f freeWorkers) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *freeWorkers) Push(x any)   { *f = append(*f, x.(free)) }
func (f *freeWorkers) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// run shares the jobs out as the scheduler does: by the same cuts at the start, and by
// the same when a node has none left.
func (s *simulation) run(n int) Scale {
	nodes, parts := make([]simulated, n), make([]int, n)
	var workers freeWorkers
	for i := range nodes {
		nodes[i].has, parts[i] = make([]bool, len(s.size)), s.workers
		for turn := range s.workers {
			workers = append(workers, free{0, turn*n + i, i}) // each node in its turn
		}
	}
	from := 0
	for i, to := range cuts(len(s.jobs), parts, func(i int) int64 { return s.common(i-1, i) }) {
		for job := from; job < to; job++ {
			nodes[i].left = append(nodes[i].left, job)
		}
		from = to
	}
	scale := Scale{Nodes: n}
	for heap.Init(&workers); workers.Len() > 0; {
		w := heap.Pop(&workers).(free)
		node := &nodes[w.node]
		if len(node.left) == 0 && !s.takeOver(nodes, w.node) {
			continue
		}
		job := node.left[0]
		node.left = node.left[1:]
		pulled := s.pull(node, job)
		scale.PullBytes += pulled
		w.at += s.pace.SecondsPerJob
		if s.pace.PullBytesPerSecond > 0 {
			w.at += float64(pulled) / s.pace.PullBytesPerSecond
		}
		scale.Seconds = max(scale.Seconds, w.at)
		heap.Push(&workers, w)
	}
	return scale
}

// pull has a node pull what a job needs and it does not have.
func (s *simulation) pull(n *simulated, job int) (bytes int64) {
	for _, v := range s.jobs[job] {
		if !n.has[v] {
			n.has[v] = true
			bytes += s.size[v]
		}
	}
	return bytes
}

// takeOver gives a node the last part of the longest row that is left.
func (s *simulation) takeOver(nodes []simulated, to int) bool {
	i := longest(len(nodes), func(i int) (jobs, workers int) { return len(nodes[i].left), s.workers })
	if i < 0 {
		return false
	}
	victim := &nodes[i]
	left := victim.left
	cut := lastPart(len(left), s.workers, s.workers, func(i int) int64 { return s.common(left[i-1], left[i]) })
	nodes[to].left, victim.left = slices.Clone(left[cut:]), left[:cut]
	return true
}

// common is what two jobs have in common, in bytes.
func (s *simulation) common(a, b int) (bytes int64) {
	for _, v := range s.jobs[a] {
		if _, has := slices.BinarySearch(s.jobs[b], v); has {
			bytes += max(s.size[v], stepWeight)
		}
	}
	return bytes
}
