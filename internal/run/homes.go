package run

import (
	"slices"

	"github.com/stoker-build/stoker/internal/graph"
)

// share gives open jobs homes, where there are several nodes: each node a stretch of
// their order for each of its workers as long as the others', cut where neighbours have the
// least in common. So what jobs share is on one node, but where a cut goes through it. A
// job of which a node holds more than any other stays there, and the others get the more of
// the rest.
func (s *scheduler) share(tasks []*task) {
	if s.run.nodes() < 2 {
		return
	}
	var open []*task
	for _, t := range tasks {
		if p := s.holder(t); p != nil {
			s.settle(p, t)
		} else {
			open = append(open, t)
		}
	}
	places := s.answering()
	settled, workers := make([]int, len(places)), make([]int, len(places))
	for i, p := range places {
		workers[i] = p.pool.workers()
		for _, t := range tasks {
			if t.home == p {
				settled[i]++
			}
		}
	}
	from := 0
	for i, to := range cuts(len(open), lacks(settled, workers, len(open)), func(i int) int64 { return s.common(open[i-1], open[i]) }) {
		s.settle(places[i], able(places[i], open[from:to], s)...)
		from = to
	}
}

// lacks are what nodes with some jobs settled lack until each has as many for each of its
// workers, with so many more: the least loaded ones the most.
func lacks(settled, workers []int, more int) []int {
	all, allWorkers := more, 0
	for i, n := range settled {
		all += n
		allWorkers += workers[i]
	}
	lacks, any := make([]int, len(settled)), 0
	for i, n := range settled {
		lacks[i] = max(0, all*workers[i]-n*allWorkers)
		any += lacks[i]
	}
	if any == 0 {
		return workers
	}
	return lacks
}

// answering are the nodes that answer; where none does, all.
func (s *scheduler) answering() []*place {
	places := slices.DeleteFunc(slices.Clone(s.places), func(p *place) bool { return p.lost })
	if len(places) == 0 {
		return s.places
	}
	return places
}

// able are those of some jobs that a node can build; the others' homes stay open.
func able(p *place, tasks []*task, s *scheduler) []*task {
	return slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return !p.canAll(s.platformsOf(t)) })
}

// settle gives jobs a home, or none with nil. What they need counts there alone from now
// on.
func (s *scheduler) settle(p *place, tasks ...*task) {
	if s.run.nodes() < 2 {
		return
	}
	number := -1
	var jobs []int
	for _, t := range tasks {
		if len(t.on) > 1 {
			continue // each node builds a part of it
		}
		if t.home != nil && t.home != p {
			t.home.node.EndPulls(t.number) // which would be of no use there
		}
		t.home = p
		jobs = append(jobs, t.number)
	}
	if p != nil {
		number = p.number
	}
	s.run.needs.Place(jobs, number)
}

// holder is the node that holds more of what a job needs than any other that answers; nil
// where none does that can build it.
func (s *scheduler) holder(t *task) (holder *place) {
	var most, second int64
	for _, p := range s.answering() {
		held := p.node.Holds(t.number)
		switch {
		case !p.canAll(s.platformsOf(t)):
		case held > most:
			holder, most, second = p, held, most
		case held > second:
			second = held
		}
	}
	if most == second {
		return nil
	}
	return holder
}

// takeOver gives a node that has nothing to build a part of another's queue, as large as
// the one is beside the other. Jobs go first of which it holds more than their own node:
// then those are the part. Else it is the last part of the queue with the most left for each
// worker, cut where the least is pulled again. It tells whether there was any.
func (s *scheduler) takeOver(p *place) bool {
	left, held := make([][]*task, len(s.places)), make([][]*task, len(s.places))
	for i, other := range s.places {
		if other == p || other.idle() {
			continue
		}
		left[i] = s.homedAt(other, p)
		held[i] = heldMore(left[i], func(t *task) int64 { return p.node.Holds(t.number) - other.node.Holds(t.number) })
	}
	if i := s.longest(held); i >= 0 {
		part := max(1, len(left[i])*p.pool.workers()/(p.pool.workers()+s.places[i].pool.workers()))
		s.settle(p, held[i][max(0, len(held[i])-part):]...)
		return true
	}
	i := s.longest(left)
	if i < 0 {
		return false
	}
	theirs, other := left[i], s.places[i]
	cut := lastPart(len(theirs), other.pool.workers(), p.pool.workers(), s.pulledAgain(theirs, other, p))
	s.settle(p, theirs[cut:]...)
	return true
}

// heldMore are those of some jobs of which a node holds more than their own node does, and
// more than what all of them have in common.
func heldMore(tasks []*task, more func(*task) int64) (held []*task) {
	if len(tasks) == 0 {
		return nil
	}
	surplus := make([]int64, len(tasks))
	for i, t := range tasks {
		surplus[i] = more(t)
	}
	least := max(slices.Min(surplus), 0)
	for i, t := range tasks {
		if surplus[i] > least {
			held = append(held, t)
		}
	}
	return held
}

// longest is which node has the most of some jobs, which are by node, for each of its
// workers; -1 where none has any.
func (s *scheduler) longest(jobs [][]*task) int {
	return longest(len(jobs), func(i int) (n, workers int) { return len(jobs[i]), s.places[i].pool.workers() })
}

// pulledAgain tells how many bytes a node would pull for the jobs from the ith on that
// another has, or needs for those before.
func (s *scheduler) pulledAgain(tasks []*task, other, p *place) func(i int) int64 {
	var paths [][]int32
	var again []int64
	s.run.needs.Read(func(g *graph.Shared) {
		for _, t := range tasks {
			paths = append(paths, g.Path(t.number))
		}
		again = cutAgain(paths, other.node.Has, p.node.Has, weight(g))
	})
	return func(i int) int64 { return again[i] }
}

// cutAgain is, for each place i, what all vertices weigh that the paths from the ith on have
// and those before have as well, or one node has, but not the one that takes over.
func cutAgain(paths [][]int32, theirs, ours func(v int32) bool, weigh func(v int32) int64) []int64 {
	first, last := map[int32]int{}, map[int32]int{}
	for i, path := range paths {
		for _, v := range path {
			if _, seen := first[v]; !seen {
				first[v] = i
			}
			last[v] = i
		}
	}
	change := make([]int64, len(paths)+1)
	for v, from := range first {
		if ours(v) {
			continue
		}
		if theirs(v) {
			from = -1
		}
		change[from+1] += weigh(v)
		change[last[v]+1] -= weigh(v)
	}
	for i := 1; i < len(change); i++ {
		change[i] += change[i-1]
	}
	return change
}

// idle tells whether a node has a worker for the next of its own jobs that can be built.
func (p *place) idle() bool { return !p.lost && p.head == nil && p.pool.soon() }

// longest is which of n nodes has the most jobs left for each of its workers; -1 where
// none has any.
func longest(n int, left func(i int) (jobs, workers int)) int {
	most, mostJobs, itsWorkers := -1, 0, 1
	for i := range n {
		if jobs, workers := left(i); jobs*itsWorkers > mostJobs*workers {
			most, mostJobs, itsWorkers = i, jobs, workers
		}
	}
	return most
}

// lastPart is where the part of n jobs begins that a node with so many workers takes over
// from one with others: one job at least.
func lastPart(n, theirs, ours int, shared func(i int) int64) int {
	return min(cuts(n, []int{theirs, ours}, shared)[0], n-1)
}

// homedAt are the queued jobs of a node that another can build as well, in order.
func (s *scheduler) homedAt(home, other *place) (tasks []*task) {
	for _, t := range s.queue {
		if t.home == home && other.canAll(s.platformsOf(t)) {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// common is what two jobs have in common, in bytes, as the order of jobs weighs it.
func (s *scheduler) common(a, b *task) (bytes int64) {
	s.run.needs.Read(func(g *graph.Shared) {
		weigh, of := weight(g), map[int32]bool{}
		for _, v := range g.Path(a.number) {
			of[v] = true
		}
		for _, v := range g.Path(b.number) {
			if of[v] {
				bytes += weigh(v)
			}
		}
	})
	return bytes
}

// cuts divides n things in a row into stretches, one for each part, about as long as the
// parts are large, and returns the ends of these. Each cut is made where the least is
// shared by the things before and behind it, in the quarter of a stretch around where it
// would be exact; of equal ones where it is the most exact.
func cuts(n int, parts []int, shared func(i int) int64) []int {
	all := 0
	for _, p := range parts {
		all += p
	}
	ends := make([]int, len(parts))
	from, done := 0, 0
	for i, p := range parts {
		done += p
		exact := n * done / all
		ends[i] = max(from, min(exact, n))
		if slack := (exact - from) / 4; done < all && slack > 0 {
			ends[i] = cheapest(max(from+1, exact-slack), min(n-1, exact+slack), exact, shared)
		}
		from = ends[i]
	}
	ends[len(ends)-1] = n
	return ends
}

// cheapest is the place from low to high where the least is shared, nearest to the exact
// one.
func cheapest(low, high, exact int, shared func(i int) int64) int {
	best, least := exact, int64(-1)
	for i := low; i <= high; i++ {
		cost := shared(i)
		nearer := (i-exact)*(i-exact) < (best-exact)*(best-exact)
		if least < 0 || cost < least || cost == least && nearer {
			best, least = i, cost
		}
	}
	return best
}
