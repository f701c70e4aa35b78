package plan

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image that builds read, for a platform.
type Image struct {
	Ref      string
	Platform string
}

// BaseImages returns the images that a job's Dockerfile reads, for each of the job's
// platforms, or else for own: that of the builder. It returns none where only the
// builder can tell which these are.
func (j *Job) BaseImages(ctx context.Context, own ocispecs.Platform) []Image {
	if covered, _ := j.Source.syntax(j.Options); !covered || len(j.Options.Inputs.NamedContexts) > 0 {
		return nil // a named context may take any image's place
	}
	targets := j.Options.Platforms
	if len(targets) == 0 {
		targets = []ocispecs.Platform{own}
	}
	notes := &imageNotes{}
	for _, target := range targets {
		o := j.Options
		o.Platforms = []ocispecs.Platform{target}
		if _, err := convert(ctx, j.Source.dockerfile, o, o.BuildArgs, notes); err != nil {
			return nil
		}
	}
	slices.SortFunc(notes.images, func(a, b Image) int {
		return strings.Compare(a.Ref+" "+a.Platform, b.Ref+" "+b.Platform)
	})
	return slices.Compact(notes.images)
}

// LineOf returns the first line of the Dockerfile that names an image; 0 where none does
// in so many words.
func (s *Source) LineOf(image string) int {
	line := 0
	for text := range strings.Lines(string(s.dockerfile)) {
		line++
		words := strings.FieldsFunc(strings.TrimSpace(text), func(r rune) bool { return strings.ContainsRune(" \t=,", r) })
		if slices.ContainsFunc(words, func(word string) bool { return word == image || spelledOut(word) == image }) {
			return line
		}
	}
	return 0
}

// Only is the plan with those of its jobs that are kept, as copies of their own. It reads
// the plan's Dockerfiles, and is not closed.
func (p *Plan) Only(keep func(*Job) bool) *Plan {
	only := *p
	only.Jobs = nil
	for _, j := range p.Jobs {
		if keep(j) {
			own := *j
			only.Jobs = append(only.Jobs, &own)
		}
	}
	return &only
}

// note notes that an image is read for a platform.
func (n *imageNotes) note(ref string, platform *ocispecs.Platform) {
	image := Image{Ref: ref}
	if platform != nil {
		image.Platform = platforms.FormatAll(*platform)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.images = append(n.images, image)
}

// refs are the images that are read, for whichever platform.
func (n *imageNotes) refs() (all []string) {
	for _, image := range n.images {
		all = append(all, image.Ref)
	}
	return all
}

// PushedTo returns the references that a job's build pushes to: its image's, and that of
// its cache.
func (j *Job) PushedTo() (refs []string) {
	for _, e := range j.Options.Exports {
		switch {
		case !pushes(e):
		case len(j.Tags) > 0:
			refs = append(refs, j.Tags...)
		default:
			refs = append(refs, strings.Split(e.Attrs["name"], ",")...)
		}
	}
	for _, c := range j.Options.CacheTo {
		if c.Type == "registry" {
			refs = append(refs, c.Attrs["ref"])
		}
	}
	return refs
}
