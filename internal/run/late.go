package run

import (
	"context"
)

// awaitLate waits for the nodes that have not answered when the run began, and takes them
// in. It begins when all jobs are shared out: a node that comes later takes over.
func (s *scheduler) awaitLate(ctx context.Context) {
	for _, o := range s.run.opening {
		s.searches++
		s.late++
		s.fly(func() func() {
			select {
			case <-o.done:
			case <-s.searching.Done():
			}
			p := o.end()
			return func() {
				s.searches--
				s.late--
				if p.lost = !p.node.IsOpen(); p.lost && s.searching.Err() == nil {
					s.places = append(s.places, p)
					s.search(ctx, p, true)
					return
				}
				s.takeIn(ctx, p)
			}
		})
	}
	s.run.opening = nil
	for i, l := range s.run.Late {
		s.searches++
		s.late++
		s.fly(func() func() {
			var p *place
			d, err := l.Await(s.searching)
			if err == nil {
				p = s.run.openNode(s.searching, len(s.run.Nodes)+i, d, nil)
				p.node.AskStrangers(s.searching)
			}
			return func() {
				s.searches--
				s.late--
				switch {
				case err == nil:
					s.takeIn(ctx, p)
				case s.searching.Err() == nil:
					s.run.warn("", "%s is left out: %s", l.Name(), err)
				}
			}
		})
	}
}

// takeIn adds a node that has come late. It begins by taking over jobs.
func (s *scheduler) takeIn(ctx context.Context, p *place) {
	s.places = append(s.places, p)
	if s.searching.Err() != nil {
		return // the run has ended meanwhile
	}
	p.know(s.run.tasks)
	s.found(ctx, p, true)
}
