package plan

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

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

// checkCircles makes sure that no job is built on itself, at last, by the images that jobs
// read and by links. A job that reads what its own tag was before is in no circle.
func checkCircles(jobs []*Job) error {
	c := circles{onWhich: onWhich(jobs), done: map[*Job]bool{}}
	for _, j := range jobs {
		if found := c.from(j); found != nil {
			return &InputError{What: "jobs are built on each other in a circle", Problems: []string{stepsOf(found)},
				Hint: "one of them must be built on an image that none of them makes"}
		}
	}
	return nil
}

// onWhich returns the jobs on which each is built, those of them that are linked included.
func onWhich(jobs []*Job) map[*Job][]*Job {
	makers := MakersOf(jobs)
	all := WithLinked(jobs)
	below := make([][]*Job, len(all))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, j := range all {
		group.Go(func() error {
			for _, ref := range j.Reads(context.Background()) {
				if on := makers.Of(ref); on != nil && on != j {
					below[i] = append(below[i], on)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(j.Links)) {
				below[i] = append(below[i], j.Links[name])
			}
			return nil
		})
	}
	_ = group.Wait()
	on := make(map[*Job][]*Job, len(all))
	for i, j := range all {
		on[j] = below[i]
	}
	return on
}

// circles looks for jobs that are built on themselves.
type circles struct {
	onWhich map[*Job][]*Job
	path    []*Job // from where it was begun to where it is
	done    map[*Job]bool
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
	for _, on := range c.onWhich[j] {
		if found := c.from(on); found != nil {
			return found
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
	for _, j := range hashed {
		for _, ref := range j.ReadsBelow(context.Background()) {
			if on := makers.Of(ref); on != nil && on != j {
				return &InputError{What: j.Name, Problems: []string{fmt.Sprintf("{{.%s}} cannot be known before %s is built, whose image %s it is built on", graphHashColumn, on.Name, ref)},
					Hint: "call it by something else, or build on the other by a link (target:) of a bake file"}
			}
		}
	}
	return nil
}
