package run

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// How many pulls a node has under way ahead of jobs: those of the jobs that run come
	// beside them, and one registry gives a daemon few connections (4 by default).
	mostPulls = 2
	// After how many in a row that failed nothing is pulled ahead for a while, and for how long: what
	// answers none of them, such as a registry that is started anew, may answer again.
	vainPulls = 3
	pullsRest = time.Minute
)

// ahead is what is pulled on a place ahead of the jobs that need it.
type ahead struct {
	due    atomic.Bool // there may be something to pull; any goroutine sets it
	flying int
	failed int       // in a row
	rests  time.Time // until then nothing is pulled
	over   bool
}

// pullAhead has a node pull what the next jobs need, while all its workers are busy. Who is
// asked for fewer requests is asked for nothing that nobody waits for.
func (s *scheduler) pullAhead(p *place) {
	if !s.run.PullAhead || p.ahead.over || p.ahead.flying == mostPulls || p.pool.free() || !s.run.needs.Known() || !s.run.registries.throttles.Calm() {
		return
	}
	if time.Now().Before(p.ahead.rests) {
		return
	}
	if !p.ahead.due.Swap(false) {
		return
	}
	line := s.line(p)
	if !slices.ContainsFunc(line, func(n node.Next) bool { return len(n.Images) > 0 }) {
		return
	}
	ctx := s.searching
	p.ahead.flying++
	s.pulls++
	s.fly(func() func() {
		pulled, err := p.node.PullAhead(ctx, line, func() { s.call(func() { p.ahead.due.Store(true) }) })
		return func() {
			p.ahead.flying--
			s.pulls--
			s.pulled(p, pulled, err)
		}
	})
}

// pulled goes on after a pull, with the next one where it has pulled.
func (s *scheduler) pulled(p *place, pulled bool, err error) {
	switch {
	case node.CannotPull(err):
		p.ahead.over = true
	case err != nil:
		if p.ahead.failed++; p.ahead.failed >= vainPulls {
			p.ahead.rests = time.Now().Add(pullsRest)
		}
		if p.ahead.failed == vainPulls {
			s.run.warn("", "nothing is pulled ahead on %s for now, so that each job pulls what it needs: %d pulls have failed in a row, the last since %s; one is tried again every minute",
				p.node.Name(), vainPulls, visible.FirstLine(err.Error()))
		}
		p.ahead.due.Store(true)
	case pulled:
		p.ahead.failed = 0
		p.ahead.due.Store(true)
	}
}

// line are the jobs that a node is likely to build next, one for each of its workers.
func (s *scheduler) line(p *place) (line []node.Next) {
	if t := p.head; t != nil { // it has a worker, and waits for space
		line = append(line, node.Next{Number: t.number, Name: t.job.Name})
	}
	for _, t := range s.queue {
		if len(line) == p.pool.workers() {
			break
		}
		if s.run.nodes() > 1 && t.home != p || len(s.placesFor(t, p)) != 1 {
			continue
		}
		line = append(line, pullsOf(t))
	}
	return line
}

// pullsOf are the images that a job's build would pull. What is built on others' images finds
// these where they were made, and what only lays layers upon its base leaves that where it is.
func pullsOf(t *task) node.Next {
	next := node.Next{Number: t.number, Name: t.job.Name}
	if t.known.linked || len(t.after) > 0 || !t.known.unreached.IsZero() {
		return next
	}
	for _, image := range t.known.images {
		if !image.Unknown && image.Digest != "" && len(image.Layers) > 0 {
			next.Images = append(next.Images, image)
		}
	}
	return next
}
