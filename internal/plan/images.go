package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
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
	images, err := j.images(ctx, own)
	if err != nil {
		return nil
	}
	return images
}

// Reads returns the images that the job's build reads: those that its Dockerfile names in
// what the target is made of, and that of the frontend which its syntax line names. Nobody
// is asked. Where only a builder can tell, these are those that the input names.
func (j *Job) Reads(ctx context.Context) (refs []string) {
	if frontend := j.Source.frontend(j.Options); frontend != "" {
		refs = append(refs, frontend)
	}
	images, err := j.images(ctx, platforms.DefaultSpec())
	if err != nil {
		return slices.Concat(refs, j.inputs(), slices.Collect(maps.Values(j.Options.BuildArgs)))
	}
	for _, image := range images {
		refs = append(refs, image.Ref)
	}
	return refs
}

// ReadsBelow returns what Reads does, of the job and all jobs that are made in the same
// build.
func (j *Job) ReadsBelow(ctx context.Context) (refs []string) {
	for _, part := range WithLinked([]*Job{j}) {
		refs = append(refs, part.Reads(ctx)...)
	}
	return refs
}

// images are those that the job's Dockerfile names in what the target is made of, for each
// of its platforms, or else for own. Equal questions about a Dockerfile are answered once:
// an answer takes a millisecond or some.
func (j *Job) images(ctx context.Context, own ocispecs.Platform) ([]Image, error) {
	if covered, _ := j.Source.syntax(j.Options); !covered {
		return nil, errSyntax
	}
	o := j.Options
	if len(o.Platforms) == 0 {
		o.Platforms = []ocispecs.Platform{own}
	}
	question := fmt.Sprintf("%q %q %q %v", o.Target, o.BuildArgs, o.Platforms, o.Inputs.NamedContexts)
	if known, is := j.Source.images.Load(question); is {
		return known.([]Image), nil
	}
	images, err := imagesOf(ctx, j.Source.dockerfile, o)
	if err == nil {
		j.Source.images.Store(question, images)
	}
	return images, err
}

// imagesOf are the images that a Dockerfile names in what the target is made of, for the
// platforms of the options, sorted, each once.
func imagesOf(ctx context.Context, dockerfile []byte, o build.Options) ([]Image, error) {
	notes := &imageNotes{}
	for _, platform := range o.Platforms {
		single := o
		single.Platforms = []ocispecs.Platform{platform}
		if _, err := convert(ctx, dockerfile, single, o.BuildArgs, notes); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(notes.images, func(a, b Image) int {
		return strings.Compare(a.Ref+" "+a.Platform, b.Ref+" "+b.Platform)
	})
	return slices.Compact(notes.images), nil
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
	kept := map[*Job]*Job{}
	for _, j := range p.Jobs {
		if keep(j) {
			own := *j
			only.Jobs, kept[j] = append(only.Jobs, &own), &own
		}
	}
	for _, j := range only.Jobs {
		j.Links = maps.Clone(j.Links)
		for name, linked := range j.Links {
			j.Links[name] = cmp.Or(kept[linked], linked)
		}
	}
	return &only
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
