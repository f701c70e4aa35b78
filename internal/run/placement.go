package run

import (
	"slices"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// placesFor returns where a job is to be built, should p build it: there alone, where it
// can; else each of its platforms on the first node that is made for it. There are none
// where p has no part in that.
func (s *scheduler) placesFor(t *task, p *place) []*place {
	if p.canAll(s.platformsOf(t)) {
		return []*place{p}
	}
	if slices.ContainsFunc(s.places, func(o *place) bool { return o.canAll(s.platformsOf(t)) }) {
		return nil
	}
	var on []*place
	for _, platform := range s.platformsOf(t) {
		first := s.firstFor(platform)
		if !slices.Contains(on, first) {
			on = append(on, first)
		}
	}
	if on[0] != p {
		return nil
	}
	return on
}

// platformsOf are the platforms that a job is built for.
func (s *scheduler) platformsOf(t *task) []ocispecs.Platform {
	if named := t.job.Options.Platforms; len(named) > 0 {
		return named
	}
	return s.places[0].platforms[:min(len(s.places[0].platforms), 1)]
}

// firstFor is the first node that is made for a platform, else the first that emulates
// it, else the first: buildx then says what is wrong.
func (s *scheduler) firstFor(platform ocispecs.Platform) *place {
	for _, is := range []func(*place) bool{
		func(p *place) bool { return p.can(platform) },
		func(p *place) bool { return slices.ContainsFunc(p.platforms, platforms.OnlyStrict(platform).Match) },
	} {
		if i := slices.IndexFunc(s.places, is); i >= 0 {
			return s.places[i]
		}
	}
	return s.places[0]
}

// can tells whether the node is made for a platform.
func (p *place) can(platform ocispecs.Platform) bool {
	return len(p.platforms) == 0 || platforms.OnlyStrict(platform).Match(p.platforms[0])
}

// canAll tells whether it is for all of some.
func (p *place) canAll(wanted []ocispecs.Platform) bool {
	return !slices.ContainsFunc(wanted, func(w ocispecs.Platform) bool { return !p.can(w) })
}

// elsewhere tells whether a node other than a job's own that answers can build it alone.
func (s *scheduler) elsewhere(t *task) bool {
	return slices.ContainsFunc(s.places, func(p *place) bool {
		return !p.lost && !slices.Contains(t.on, p) && p.canAll(s.platformsOf(t))
	})
}
