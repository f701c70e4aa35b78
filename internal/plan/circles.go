package plan

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/stoker-build/stoker/internal/imageref"
)

// makersOf are the jobs that make images, by these.
func makersOf(jobs []*Job) map[string]*Job {
	makers := map[string]*Job{}
	for _, j := range jobs {
		for _, tag := range j.Tags {
			makers[imageref.WithoutDigest(tag)] = j
		}
	}
	return makers
}

// How a Dockerfile names images: what is an argument there, the jobs' arguments name.
var namesImage = regexp.MustCompile(`(?im)^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)|\bfrom=([^\s,]+)`)

// named are the images that a job names, as far as its input and the text of its Dockerfile
// say so.
func (j *Job) named() []string {
	refs := j.inputs()
	for _, value := range j.Options.BuildArgs {
		refs = append(refs, value)
	}
	for _, m := range namesImage.FindAllSubmatch(j.Source.Dockerfile(), -1) {
		refs = append(refs, string(m[1])+string(m[2]))
	}
	return refs
}

// checkCircles makes sure that no job is built on itself, at last, by the images that jobs
// name.
func checkCircles(jobs []*Job) error {
	makers := makersOf(jobs)
	const begun, done = 1, 2
	state := map[*Job]int{}
	var path []*Job
	var visit func(j *Job) []*Job
	visit = func(j *Job) []*Job {
		if state[j] == begun {
			return append(slices.Clone(path[slices.Index(path, j):]), j)
		}
		if state[j] == done {
			return nil
		}
		state[j] = begun
		path = append(path, j)
		for _, ref := range j.named() {
			if on := makers[imageref.WithoutDigest(ref)]; on != nil && on != j {
				if circle := visit(on); circle != nil {
					return circle
				}
			}
		}
		path, state[j] = path[:len(path)-1], done
		return nil
	}
	for _, j := range jobs {
		if circle := visit(j); circle != nil {
			text := circle[0].Name
			for _, on := range circle[1:] {
				text += " is built on the image of " + on.Name + ", and " + on.Name
			}
			text = text[:len(text)-len(", and "+circle[0].Name)]
			return &InputError{What: "jobs are built on each other in a circle", Problems: []string{text},
				Hint: "one of them must be built on an image that none of them makes"}
		}
	}
	return nil
}

// checkHashed makes sure that no job is called by a hash that nobody can tell before
// another job's image is made.
func checkHashed(p *Plan) error {
	hashed := p.Hashed()
	if len(hashed) == 0 {
		return nil
	}
	makers := makersOf(p.Jobs)
	for _, j := range hashed {
		for _, ref := range slices.Concat(j.named(), j.Reads(context.Background())) {
			if on := makers[imageref.WithoutDigest(ref)]; on != nil && on != j {
				return &InputError{What: j.Name, Problems: []string{fmt.Sprintf("{{.%s}} cannot be known before %s is built, whose image %s it is built on", graphHashColumn, on.Name, ref)},
					Hint: "call it by something else, or build on the other by a link (target:) of a bake file"}
			}
		}
	}
	return nil
}
