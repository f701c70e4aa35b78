package run

import (
	"slices"
	"time"
)

// sampleInterval is how long it is until it is told again how full the nodes are and what
// waits: short runs can be seen as well as long ones, whose record shall stay small.
func sampleInterval(age time.Duration) time.Duration {
	return min(max(age/200, time.Second), 10*time.Second)
}

// What jobs wait for.
const (
	forWorker   = "worker"
	forSpace    = "space"
	forRegistry = "registry"
	forImage    = "image" // of another job
	forPause    = "pause" // before their next attempt, or until it is known whether that helps
	forNode     = "node"  // that does not answer
)

// sample tells how full the nodes are and what waits for them. A job that any node may
// take is counted with the first.
func (s *scheduler) sample() {
	for i, p := range s.places {
		e := p.node.Sample()
		e.Workers, e.Running, e.Waiting = p.pool.workers(), p.pool.busy, map[string]int{}
		for _, t := range s.queue {
			if t.home == p || t.home == nil && i == 0 {
				e.Waiting[s.waitsFor(t)]++
			}
		}
		if p.head != nil {
			e.Waiting[forSpace]++
		}
		if p.admitting {
			e.Running-- // the head's worker
		}
		count(e.Waiting, forWorker, len(p.ready))
		count(e.Waiting, forNode, len(p.orphans))
		for _, r := range s.rests {
			if r.task.on[0] == p {
				e.Waiting[forPause]++
			}
		}
		for _, scout := range s.scouts {
			for _, h := range scout.waiting {
				if h.task.on[0] == p {
					e.Waiting[forPause]++
				}
			}
		}
		s.run.Journal.Tell(e)
	}
}

// sampleEnd tells how full the nodes are in the end, where what is drawn ends. Nobody works
// or waits any more.
func (s *scheduler) sampleEnd() {
	for _, p := range s.places {
		if !p.lost {
			e := p.node.Sample()
			e.Workers = p.pool.workers()
			s.run.Journal.Tell(e)
		}
	}
}

func count(waiting map[string]int, reason string, n int) {
	if n > 0 {
		waiting[reason] += n
	}
}

// waitsFor is what a queued job waits for.
func (s *scheduler) waitsFor(t *task) string {
	waits, _ := t.waitsFor()
	switch {
	case waits:
		return forImage
	case t.restForReach() > 0 || len(s.run.registries.waitedFor(t)) > 0:
		return forRegistry
	case t.home != nil && t.home.lost || !slices.ContainsFunc(s.places, func(p *place) bool { return !p.lost }):
		return forNode
	}
	return forWorker
}
