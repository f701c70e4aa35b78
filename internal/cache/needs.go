package cache

import (
	"bytes"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/layers"
)

// NoJob stands where there is no job.
const NoJob = -1

// Job is what this package knows of a job.
type Job struct {
	// ID is not negative and differs from all other jobs'.
	ID   int
	Name string
	// Bases are the chains of all images that the build reads.
	Bases []layers.Chain
	// Opaque says that Bases may be incomplete: the Dockerfile could not be
	// analysed or a base image not be resolved. Such a job still needs the bases
	// that it has, and counts as unfinished for what is held until the run ends.
	Opaque bool
}

// Needs counts, for every layer of a plan, the unfinished jobs that need it. It
// may be used by several goroutines. A Classify sees one moment of it: Finish
// and Unfinish wait for it.
type Needs struct {
	chains map[digest.Digest][]*layers.Chain // of the plan, by both their digests
	number map[layers.Key]int                // of a key's layer
	index  map[int]int                       // of a job, by its ID

	mu     sync.RWMutex
	jobs   []jobState
	shapes []shape
	layers []layerNeed
	open   int // unfinished jobs
	opaque int // unfinished opaque jobs
	clock  int // counts the finished
}

type jobState struct {
	Job
	shape    int
	finished int // the clock when it finished; 0 while it is unfinished
}

// shape is the jobs that read the same base images. Counting shapes instead of
// jobs keeps Finish cheap: counters move only with a shape's last job.
type shape struct {
	jobs []int
	open int
	// holds are the layers of all its chains, tops the topmost ones, and inner
	// those which a chain goes on above. Each is sorted and without repetition.
	holds, tops, inner []int
}

// layerNeed is what is known of one layer of the plan. The layers that BuildKit's
// names cannot tell apart share one (see unify).
type layerNeed struct {
	holds, tops, inner []int // shapes
	open               int   // unfinished shapes among holds
	jobs               int   // all jobs of holds
}

// NewNeeds counts the needs of jobs, all of them unfinished.
func NewNeeds(jobs []Job) *Needs {
	n := &Needs{
		chains: map[digest.Digest][]*layers.Chain{},
		number: map[layers.Key]int{},
		index:  make(map[int]int, len(jobs)),
		jobs:   make([]jobState, len(jobs)),
		open:   len(jobs),
	}
	n.numberLayers(jobs)
	shapes := map[string]int{}
	for i, j := range jobs {
		id := shapeID(j)
		s, ok := shapes[id]
		if !ok {
			s = n.addShape(j)
			shapes[id] = s
		}
		n.shapes[s].jobs = append(n.shapes[s].jobs, i)
		n.shapes[s].open++
		n.jobs[i] = jobState{Job: j, shape: s}
		n.index[j.ID] = i
		if j.Opaque {
			n.opaque++
		}
	}
	for _, s := range n.shapes {
		for _, l := range s.holds {
			n.layers[l].jobs += len(s.jobs)
		}
	}
	return n
}

// numberLayers gives every layer of the plan a number, in the order of the jobs.
func (n *Needs) numberLayers(jobs []Job) {
	var same unifier
	for _, j := range jobs {
		for _, c := range j.Bases {
			if _, ok := n.number[c.Top()]; !ok {
				n.addKeys(c, &same)
			}
			n.addChain(c.Digest, c)
			n.addChain(c.Manifest, c)
		}
	}
	n.unify(&same)

	numbers := make([]int, len(same.parent)) // by what add returned
	ofRoot := map[int]int{}
	for i := range numbers {
		root := same.find(i)
		if _, ok := ofRoot[root]; !ok {
			ofRoot[root] = len(ofRoot)
		}
		numbers[i] = ofRoot[root]
	}
	for k, i := range n.number {
		n.number[k] = numbers[i]
	}
	n.layers = make([]layerNeed, len(ofRoot))
}

func (n *Needs) addKeys(c layers.Chain, same *unifier) {
	for _, k := range c.Keys() {
		if _, ok := n.number[k]; !ok {
			n.number[k] = same.add()
		}
	}
}

func (n *Needs) addChain(d digest.Digest, c layers.Chain) {
	if d == "" {
		return
	}
	for _, known := range n.chains[d] {
		if known.Top() == c.Top() {
			return
		}
	}
	n.chains[d] = append(n.chains[d], &c)
}

// unify makes one of the layers that stand at the same depth of different
// chains with the same digest: two platforms of one index. BuildKit names the
// records of both "pulled from REF@DIGEST OF THE INDEX" (measured), so that a
// record may be either layer, and is needed while either is.
func (n *Needs) unify(same *unifier) {
	for _, chains := range n.chains {
		for i, a := range chains {
			for _, b := range chains[i+1:] {
				for d := range min(len(a.Layers), len(b.Layers)) {
					same.join(n.number[a.Key(d)], n.number[b.Key(d)])
				}
			}
		}
	}
}

// shapeID is equal for jobs that read the same base images. A topmost key stands
// for a whole chain.
func shapeID(j Job) string {
	tops := make([][]byte, 0, len(j.Bases))
	for _, c := range j.Bases {
		k := c.Top()
		tops = append(tops, k[:])
	}
	slices.SortFunc(tops, bytes.Compare)
	tops = slices.CompactFunc(tops, bytes.Equal)
	return string(bytes.Join(tops, nil))
}

func (n *Needs) addShape(j Job) int {
	var s shape
	for _, c := range j.Bases {
		for d, k := range c.Keys() {
			l := n.number[k]
			s.holds = append(s.holds, l)
			if d == len(c.Layers)-1 {
				s.tops = append(s.tops, l)
			} else {
				s.inner = append(s.inner, l)
			}
		}
	}
	s.holds, s.tops, s.inner = distinct(s.holds), distinct(s.tops), distinct(s.inner)

	at := len(n.shapes)
	n.shapes = append(n.shapes, s)
	for _, l := range s.holds {
		n.layers[l].holds = append(n.layers[l].holds, at)
		n.layers[l].open++
	}
	for _, l := range s.tops {
		n.layers[l].tops = append(n.layers[l].tops, at)
	}
	for _, l := range s.inner {
		n.layers[l].inner = append(n.layers[l].inner, at)
	}
	return at
}

// Finish notes that the job with this ID needs nothing any more. It does
// nothing for an unknown or a finished job.
func (n *Needs) Finish(id int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.index[id]
	if !ok || n.jobs[i].finished != 0 {
		return
	}
	n.clock++
	n.jobs[i].finished = n.clock
	n.count(i, -1)
}

// Unfinish takes a Finish back, for a job that is tried again.
func (n *Needs) Unfinish(id int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.index[id]
	if !ok || n.jobs[i].finished == 0 {
		return
	}
	n.jobs[i].finished = 0
	n.count(i, +1)
}

// count adds by, 1 or -1, to what depends on the job at i being unfinished.
func (n *Needs) count(i, by int) {
	n.open += by
	if n.jobs[i].Opaque {
		n.opaque += by
	}
	s := &n.shapes[n.jobs[i].shape]
	before := s.open
	s.open += by
	if before != 0 && s.open != 0 {
		return
	}
	for _, l := range s.holds {
		n.layers[l].open += by
	}
}

// Unfinished returns how many jobs are unfinished, and how many of those are
// opaque.
func (n *Needs) Unfinished() (jobs, opaque int) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.open, n.opaque
}

// chain returns a chain of the plan that d resolved to and that has a layer at
// depth, or nil.
func (n *Needs) chain(d digest.Digest, depth int) *layers.Chain {
	for _, c := range n.chains[d] {
		if depth < len(c.Layers) {
			return c
		}
	}
	return nil
}

// waiting returns those of the jobs that are unfinished. It changes ids.
func (n *Needs) waiting(ids []int) []int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.DeleteFunc(ids, func(id int) bool {
		at, known := n.index[id]
		return !known || n.jobs[at].finished != 0
	})
}

// first returns the first unfinished job of a shape.
func (n *Needs) first(s int) int {
	for _, i := range n.shapes[s].jobs {
		if n.jobs[i].finished == 0 {
			return i
		}
	}
	return NoJob
}

// last returns the job of a shape that finished last, and when.
func (n *Needs) last(s int) (job, clock int) {
	job = NoJob
	for _, i := range n.shapes[s].jobs {
		if n.jobs[i].finished > clock {
			job, clock = i, n.jobs[i].finished
		}
	}
	return job, clock
}

func distinct(s []int) []int {
	slices.Sort(s)
	return slices.Compact(s)
}

// unifier is a disjoint-set forest over the numbers 0, 1, 2 and so on.
type unifier struct{ parent []int }

func (u *unifier) add() int {
	u.parent = append(u.parent, len(u.parent))
	return len(u.parent) - 1
}

func (u *unifier) find(i int) int {
	for u.parent[i] != i {
		u.parent[i] = u.parent[u.parent[i]]
		i = u.parent[i]
	}
	return i
}

func (u *unifier) join(a, b int) { u.parent[u.find(a)] = u.find(b) }
