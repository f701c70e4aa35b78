package node

import (
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/space"
)

// SpaceOptions bound what may be used of each node.
type SpaceOptions struct {
	// Budget bounds the bytes of the node's cache; 0 does not.
	Budget int64
	// DiskPath is a path on the disk that holds the node's cache; empty to take the
	// node's own root, where that can be seen.
	DiskPath string
	// High and Low are the watermarks in percent of the disk, or of Budget. No job
	// starts that would bring what is used above High; what is dead is removed above
	// Low.
	High, Low float64
	// Wait bounds how long a job waits for space that others took.
	Wait time.Duration
	// PreflightFree must be free when the run starts; 0 asks for nothing.
	PreflightFree int64
	// Rates are what jobs are expected to add, as far as that is known.
	Rates space.Rates
	// Common is what all nodes of the run have seen jobs to take; nil where there is one.
	Common *space.Common
}

// room is the book of what a node's cache holds and of what running jobs will add, and
// the bounds on that.
type room struct {
	// unreadable is told of a bound that cannot be read, once until it can.
	unreadable func(g gauge, err error)

	mu     sync.Mutex // guards what follows
	bounds []gauge
	book   *space.Book
	jobs   map[int]space.Job
	looked time.Time        // when last only to learn
	seen   map[int]bool     // jobs whose own records were seen
	levels map[string]level // what was seen in each bound
	unread map[string]bool  // bounds that could not be read when last asked
	tried  map[string]int64 // by bound, the most that a job needed which was tried without room
	waits  int              // how often a job waited
	begun  []int            // jobs that had space here, in their order, again for each attempt
}

// level is what was seen to be used of a bound: last, and at most.
type level struct{ last, peak int64 }

// assumedUnseen is what a job is taken to add below a budget while nothing is known of it or
// its like, and others run: that is a promise, and many that start on a guess break it. The
// images of agents' benchmarks add some hundred MB.
const assumedUnseen = 1_000_000_000

func newRoom(o SpaceOptions) *room {
	book := space.NewBook(space.NewSizes(o.Rates))
	book.Share(o.Common)
	if o.Budget > 0 && o.Rates.Own == 0 { // else an earlier run has told
		book.Unseen = assumedUnseen
	}
	return &room{book: book, jobs: map[int]space.Job{}, seen: map[int]bool{},
		levels: map[string]level{}, unread: map[string]bool{}, tried: map[string]int64{}}
}

// Job is a job by its number, and its kind, of which sizes are learned together.
type Job struct {
	Number  int
	Kind    string
	Nothing bool // it needs none: its image is not built
	// Unpulled are layers in its graph that are never pulled for it.
	Unpulled []graph.ID
}

// Know takes what jobs do.
func (n *Node) Know(jobs []Job) {
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	n.Needs.Read(func(g *graph.Shared) {
		n.space.book.Know(g)
		for _, j := range jobs {
			n.space.jobs[j.Number] = space.Job{Vertices: g.PathWithout(j.Number, j.Unpulled), Kind: j.Kind, Nothing: j.Nothing}
		}
	})
}

// Holds tells how much of what a job needs is on the node, in bytes, as far as is known.
func (n *Node) Holds(job int) (bytes int64) {
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	return n.space.book.Held(n.space.jobs[job])
}

// Has tells whether a vertex is on the node or is being made there, as far as is known.
func (n *Node) Has(v int32) bool {
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	return n.space.book.Has(v)
}

// Sizes tells what the results of steps were seen to take on the node, at most.
func (n *Node) Sizes(tell func(step graph.ID, bytes int64)) {
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	n.Needs.Read(func(g *graph.Shared) {
		n.space.book.Each(func(v int32, bytes int64) { tell(g.ID(v), bytes) })
	})
}

// learn takes from a look what is there, how much it takes, and what finished jobs
// added of their own.
func (a *room) learn(needs *cache.Needs, report *cache.Report) {
	seen := report.Sizes()

	a.mu.Lock()
	defer a.mu.Unlock()
	needs.Read(a.book.Know)
	a.book.Holds(seen.Vertices)
	for v, bytes := range seen.Vertices {
		a.book.Seen(v, bytes, seen.Made[v])
	}
	for v, bytes := range seen.Former {
		a.book.SeenFormer(v, bytes)
	}
	for v, bytes := range seen.Largest {
		a.book.SeenOne(v, bytes)
	}
	if seen.Compressed > 0 {
		a.book.Rates.PerByte = float64(seen.Whole) / float64(seen.Compressed)
	}
	for job, bytes := range seen.Own {
		if !a.seen[job] {
			a.seen[job] = true
			a.book.SeenOwn(a.jobs[job].Kind, bytes)
		}
	}
}

const (
	// How many jobs finish between two looks that only learn.
	looksEvery = 50
	// How often it is looked whose the records are.
	attributeEvery = 15 * time.Second
)

// worthLook tells whether a look at the cache is worth its time, after a number of jobs
// have finished: to learn what jobs add, and on a shared builder whose the records are,
// in case the run is killed. With thousands of records a look takes a good part of a
// second, so once something is known looks get rare.
func (a *room) worthLook(finished int, shared bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	worth := finished%looksEvery == 0 || !a.book.SawOwn() && finished&(finished-1) == 0 ||
		shared && time.Since(a.looked) > attributeEvery
	if worth {
		a.looked = time.Now()
	}
	return worth
}

// start reserves a job's space.
func (a *room) start(job int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.Start(job, a.jobs[job])
	a.begun = append(a.begun, job)
}

// expectMore has jobs be expected to add more of their own, until that is seen. One
// that ran alone with had bytes needs more than these; 0 says that it did not.
func (a *room) expectMore(job int, had, most int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	j := a.jobs[job]
	a.book.ExpectMore(j, most)
	if had > 0 {
		j.Least = min(had+had/4, most)
		a.jobs[job] = j
	}
}

// noteWait counts that a job waits.
func (a *room) noteWait() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waits++
}

// noteUsed notes how much of a bound is used.
func (a *room) noteUsed(bound string, used int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.levels[bound] = level{last: used, peak: max(a.levels[bound].peak, used)}
}

// noteRead notes whether a bound could be read, and tells whether that it could not is
// news.
func (a *room) noteRead(bound string, err error) (news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	news = err != nil && !a.unread[bound]
	a.unread[bound] = err != nil
	return news
}

// noteTried notes that a job is tried without room, and tells whether that is news: it
// needs a good deal more than those that were tried so before.
func (a *room) noteTried(s state) (news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	most, before := a.tried[s.bound]
	a.tried[s.bound] = max(most, s.need)
	return !before || s.need > most*5/4
}
