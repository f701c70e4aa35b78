package builder

import (
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/cache"
)

// streams are the parts that a build's progress consists of, by the targets that buildx
// builds: the job's own, and those of what it is built on in the same build. Buildx moves
// the times of each by themselves. Which there are does not change.
type streams struct {
	shifts  map[string]*shift
	began   map[told]time.Time       // when each step first did, as it was first told
	tellers map[digest.Digest]string // the targets whose progress told of steps last
}

func newStreams() streams {
	return streams{shifts: map[string]*shift{target: {}}, began: map[told]time.Time{}, tellers: map[digest.Digest]string{}}
}

// news are what a target's progress tells of, by times that buildx has moved.
type news struct {
	made   []cache.Making
	pulled []Pulled
}

// shift has news told by the clock that records' times are by.
type shift struct {
	// moved is by how much the times are to be moved for that; news wait for it,
	// where it is awaited.
	moved   time.Duration
	awaited bool
	waiting news
	// first is a step and when it began by that clock.
	first struct {
		step  digest.Digest
		began time.Time
	}
}

// told is a step that the progress of a target tells of.
type told struct {
	of   string
	step digest.Digest
}

// of returns the target that a status is of, and takes out of the names of vertices what
// buildx puts before them where it builds several (WithPrefix in its util/progress): of
// those of the job's own, and of what is no step, so that each is known for what it is.
func (t *streams) of(s *client.SolveStatus) string {
	if len(t.shifts) == 1 {
		return target
	}
	found := target
	for _, v := range s.Vertexes {
		for name := range t.shifts {
			rest, is := strings.CutPrefix(v.Name, "["+name)
			if !is || !strings.HasPrefix(rest, " ") && !strings.HasPrefix(rest, "] ") {
				continue
			}
			found = name
			plain := strings.TrimPrefix(rest, "] ")
			if plain == rest {
				plain = "[" + rest[1:]
			}
			switch {
			case name == target:
				v.Name = plain
			case !isStep(plain):
				v.Name = "[internal] " + name + ": " + plain
			}
			break
		}
	}
	return found
}

// awaitMove has a target's news wait until it is known by how much their times are moved.
func (p *progress) awaitMove(of string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shifts[of].awaited = true
}

// move says when a step of a target began, by the clock that records' times are by, of
// which the progress may be yet to tell.
func (p *progress) move(of string, step digest.Digest, began time.Time) {
	p.mu.Lock()
	s := p.shifts[of]
	s.first.step, s.first.began = step, began
	p.mu.Unlock()
	p.settle(of)
}

// settle ends the waiting once the progress has told of the step that says by how
// much a target's times are moved.
func (p *progress) settle(of string) {
	p.mu.Lock()
	s := p.shifts[of]
	at, is := p.began[told{of, s.first.step}]
	settled := is && s.awaited
	if settled {
		s.moved = s.first.began.Sub(at)
	}
	p.mu.Unlock()
	if settled {
		p.stopWaiting(of)
	}
}

// stopWaiting tells of a target's news that wait.
func (p *progress) stopWaiting(of string) {
	p.mu.Lock()
	s := p.shifts[of]
	waiting := s.waiting
	s.awaited, s.waiting = false, news{}
	p.mu.Unlock()
	p.tell(of, waiting)
}

// tell tells of a target's news, or has them wait.
func (p *progress) tell(of string, n news) {
	p.mu.Lock()
	s := p.shifts[of]
	moved := s.moved
	if s.awaited {
		s.waiting.made, s.waiting.pulled = append(s.waiting.made, n.made...), append(s.waiting.pulled, n.pulled...)
		n = news{}
	}
	p.mu.Unlock()
	for _, m := range n.made {
		m.Began = m.Began.Add(moved)
		if !m.Done.IsZero() {
			m.Done = m.Done.Add(moved)
		}
		p.watch.Made(m)
	}
	for _, one := range n.pulled {
		one.At = one.At.Add(moved)
		p.watch.Pulled(one)
	}
}
