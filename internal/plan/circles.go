package plan

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/imageref"
)

// Makers are the jobs that make images, by these.
type Makers map[string]*Job

// MakersOf returns the makers among some jobs.
func MakersOf(jobs []*Job) Makers {
	makers := Makers{}
	for _, j := range jobs {
		for _, tag := range j.Tags {
			makers[imageref.WithoutDigest(tag)] = j
		}
	}
	return makers
}

// Of returns the job that makes an image, also where the reference has a digest; nil for
// none.
func (m Makers) Of(ref string) *Job { return m[imageref.WithoutDigest(ref)] }

// How a Dockerfile names images: what is an argument there, the jobs' arguments name.
var namesImage = regexp.MustCompile(`(?im)^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)|\bfrom=([^\s,]+)`)

// naming tells which images jobs name, as far as their input and the text of their
// Dockerfiles say so. Of each Dockerfile that is looked for once.
type naming map[*Source][]string

func (n naming) of(j *Job) []string {
	inText, known := n[j.Source]
	if !known {
		for _, m := range namesImage.FindAllSubmatch(j.Source.Dockerfile(), -1) {
			inText = append(inText, string(m[1])+string(m[2]))
		}
		n[j.Source] = inText
	}
	return slices.Concat(j.inputs(), slices.Collect(maps.Values(j.Options.BuildArgs)), inText)
}

// checkCircles makes sure that no job is built on itself, at last, by the images that jobs
// name.
func checkCircles(jobs []*Job) error {
	c := circles{makers: MakersOf(jobs), named: naming{}, done: map[*Job]bool{}}
	for _, j := range jobs {
		if found := c.from(j); found != nil {
			return &InputError{What: "jobs are built on each other in a circle", Problems: []string{stepsOf(found)},
				Hint: "one of them must be built on an image that none of them makes"}
		}
	}
	return nil
}

// circles looks for jobs that are built on themselves.
type circles struct {
	makers Makers
	named  naming
	path   []*Job // from where it was begun to where it is
	done   map[*Job]bool
}

// from returns the jobs of a circle to which a job leads, the first of them again at the end;
// none where it leads to none.
func (c *circles) from(j *Job) []*Job {
	if at := slices.Index(c.path, j); at >= 0 {
		return append(slices.Clone(c.path[at:]), j)
	}
	if c.done[j] {
		return nil
	}
	c.path = append(c.path, j)
	for _, ref := range c.named.of(j) {
		if on := c.makers.Of(ref); on != nil && on != j {
			if found := c.from(on); found != nil {
				return found
			}
		}
	}
	c.path, c.done[j] = c.path[:len(c.path)-1], true
	return nil
}

// stepsOf tells a circle.
func stepsOf(circle []*Job) string {
	var steps []string
	for i, on := range circle[1:] {
		steps = append(steps, circle[i].Name+" is built on the image of "+on.Name)
	}
	return strings.Join(steps, ", and ")
}

// checkHashed makes sure that no job is called by a hash that nobody can tell before
// another job's image is made.
func checkHashed(p *Plan) error {
	hashed := p.Hashed()
	// What nobody can name yet is left out: asking the Dockerfiles takes time.
	makers := MakersOf(slices.DeleteFunc(slices.Clone(p.Jobs), func(j *Job) bool {
		return !slices.ContainsFunc(j.Tags, func(tag string) bool { return !strings.Contains(tag, UnknownHash) })
	}))
	if len(hashed) == 0 || len(makers) == 0 {
		return nil
	}
	named := naming{}
	for _, j := range hashed {
		for _, ref := range slices.Concat(named.of(j), j.Reads(context.Background())) {
			if on := makers.Of(ref); on != nil && on != j {
				return &InputError{What: j.Name, Problems: []string{fmt.Sprintf("{{.%s}} cannot be known before %s is built, whose image %s it is built on", graphHashColumn, on.Name, ref)},
					Hint: "call it by something else, or build on the other by a link (target:) of a bake file"}
			}
		}
	}
	return nil
}
