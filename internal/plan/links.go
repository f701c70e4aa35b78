package plan

import (
	"maps"
	"strings"

	"github.com/docker/buildx/build"
)

// Stand is what stands for a link: the reference of an image or, where that is empty, a
// job.
type Stand struct {
	Image string
	Job   *Job
}

// Relink returns the job with others in the place of its links, as a function says of
// each. It is the job itself where that changes nothing.
func (j *Job) Relink(stand func(linked *Job) Stand) *Job {
	stands, changed := map[string]Stand{}, false
	for name, linked := range j.Links {
		stands[name] = stand(linked)
		changed = changed || stands[name] != Stand{Job: linked}
	}
	if !changed {
		return j
	}
	out := *j
	out.Links, out.Options.Inputs.NamedContexts = map[string]*Job{}, maps.Clone(j.Options.Inputs.NamedContexts)
	for name, s := range stands {
		if s.Image == "" {
			out.Links[name] = s.Job
		}
	}
	for name, c := range out.Options.Inputs.NamedContexts {
		target, is := strings.CutPrefix(c.Path, targetContext)
		if s := stands[target]; is && s.Image != "" {
			out.Options.Inputs.NamedContexts[name] = build.NamedContext{Path: imageContext + s.Image}
		}
	}
	return &out
}
