package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/throttle"
)

// waitsInVain tells whether nothing flies that could let a queued job go on: a node that is
// searched for can, where jobs wait for it and not for registries that are given up.
func (s *scheduler) waitsInVain() bool {
	if s.flying != s.searches+s.pulls {
		return false
	}
	waited := slices.ContainsFunc(s.places, func(p *place) bool { return p.lost && (p.head != nil || len(p.ready)+len(p.orphans) > 0) })
	waited = waited || slices.ContainsFunc(s.queue, func(t *task) bool { return s.pause(t) < throttle.Never })
	return s.flying == s.late+s.pulls || s.run.registries.givenUp() != nil && !waited
}

// stuck says why nothing goes on although jobs are left: all wait for registries that are
// given up, or, which must not be, for nothing that will come.
func (s *scheduler) stuck() error {
	if given := s.run.registries.givenUp(); given != nil {
		return given
	}
	var state []string
	for _, p := range s.places {
		state = append(state, fmt.Sprintf("%s has %d of %d workers busy, lost: %v", p.node.Name(), p.pool.busy, p.pool.size, p.lost))
	}
	return fmt.Errorf("this is a mistake in Stoker, please report it: %d jobs are left and nothing goes on: %d in the queue, the first %s; %s",
		s.open, len(s.queue), firstName(s.queue), strings.Join(state, "; "))
}

func firstName(tasks []*task) string {
	if len(tasks) == 0 {
		return "none"
	}
	return tasks[0].job.Name
}
