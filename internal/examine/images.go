package examine

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plan"
)

// reads are the images that jobs read, by job.
type reads struct {
	jobs   []*plan.Job
	images [][]plan.Image
}

// readsOf tells what jobs read, as far as their Dockerfiles tell it.
func readsOf(ctx context.Context, jobs []*plan.Job, own ocispecs.Platform) reads {
	r := reads{jobs: jobs, images: make([][]plan.Image, len(jobs))}
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, j := range jobs {
		group.Go(func() error {
			r.images[i] = j.BaseImages(ctx, own)
			return nil
		})
	}
	_ = group.Wait()
	return r
}

// by returns the jobs that read each image, but for images that the plan itself makes.
func (r reads) by(makers plan.Makers) map[plan.Image][]*plan.Job {
	by := map[plan.Image][]*plan.Job{}
	for i, j := range r.jobs {
		for _, image := range r.images[i] {
			if makers.Of(image.Ref) == nil {
				by[image] = append(by[image], j)
			}
		}
	}
	return by
}

// madeBy returns the job that makes an image which a message names; nil where none does.
func madeBy(makers plan.Makers, message string) (job *plan.Job, ref string) {
	for _, word := range strings.Fields(message) {
		parsed, err := imageref.Parse(strings.Trim(word, `:,"`))
		if err != nil {
			continue
		}
		if j := makers.Of(parsed.String()); j != nil {
			return j, parsed.String()
		}
	}
	return nil, ""
}

// images asks the builder about each image once.
func (e *examination) images(ctx context.Context, r reads) {
	by := r.by(e.makers)
	asked := make([]plan.Image, 0, len(by))
	for image := range by {
		asked = append(asked, image)
	}
	slices.SortFunc(asked, func(a, b plan.Image) int {
		return cmp.Or(strings.Compare(a.Ref, b.Ref), strings.Compare(a.Platform, b.Platform))
	})
	pull := len(e.Plan.Jobs) > 0 && e.Plan.Jobs[0].Options.Pull
	answers := answersOf(ctx, e.Builder, asked, pull)
	why, others := firsts{}, foreign{}
	for _, image := range asked {
		if a := answers[image]; a.Presence == builder.Present {
			others.note(platformPair{a.Platform, image.Platform}, image, by[image])
		} else {
			e.judge(image, a, by[image], why)
		}
	}
	for _, found := range others.findings() {
		e.add(found)
	}
	e.upon(r)
}

// answersOf has an answer about each image, also where none came.
func answersOf(ctx context.Context, b Builder, asked []plan.Image, pull bool) map[plan.Image]builder.ImageAnswer {
	ctx, cancel := within(ctx, imagesPatience)
	defer cancel()
	var mu sync.Mutex
	answers := map[plan.Image]builder.ImageAnswer{}
	err := b.AskImages(ctx, asked, pull, func(image plan.Image, answer builder.ImageAnswer) {
		mu.Lock()
		defer mu.Unlock()
		answers[image] = answer
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, image := range asked {
		if _, told := answers[image]; !told {
			answers[image] = builder.ImageAnswer{Presence: builder.Untold, Why: fmt.Sprint(err)}
		}
	}
	return answers
}

// judge makes what the builder says of an image that cannot be read a finding about the jobs that read it.
func (e *examination) judge(image plan.Image, a builder.ImageAnswer, jobs []*plan.Job, why firsts) {
	f := findingOf(image, jobs)
	switch a.Presence {
	case builder.Missing, builder.Denied:
		e.lacks(image.Ref, a, f)
		return
	case builder.Untold:
		e.mu.Lock()
		for _, j := range jobs {
			e.untold[j.Name] = true
		}
		e.mu.Unlock()
		host := imageref.HostOf(image.Ref)
		f.Severity = check.Unknown
		f.Text = fmt.Sprintf("whether %s has the images that are read: %s", host, why.of(host, fmt.Errorf("%s", a.Why)))
	case builder.OtherPlatform:
		f.Severity = check.Fault
		f.Text = fmt.Sprintf("%s is not there for %s, but for other platforms alone", image.Ref, image.Platform)
	}
	e.add(f)
}

// findingOf is a finding about an image that jobs read.
func findingOf(image plan.Image, jobs []*plan.Job) check.Finding {
	f := check.Finding{Kind: check.Image, Jobs: names(jobs)}
	for _, j := range jobs {
		f.Places = append(f.Places, placesOf(j, image.Ref)...)
	}
	return f
}

// placesOf are where a job says that it reads an image: in its Dockerfile or, where that
// takes it from the job's row, there too.
func placesOf(j *plan.Job, ref string) []check.Place {
	inDockerfile := check.Place{File: j.Source.Name(), Line: j.Source.LineOf(ref)}
	if inDockerfile.Line > 0 || j.Origin.Line == 0 {
		return []check.Place{inDockerfile}
	}
	return []check.Place{{File: j.Origin.File, Line: j.Origin.Line}, inDockerfile}
}

// upon finds the jobs that are built on the images of jobs that cannot be built.
func (e *examination) upon(r reads) {
	for more := true; more; {
		more = false
		for i, j := range r.jobs {
			if e.isFaulty(j.Name) {
				continue
			}
			if other := e.faultyBelow(j, r.images[i]); other != nil {
				e.add(check.Finding{Severity: check.Fault, Kind: check.Build, Jobs: []string{j.Name},
					Text: fmt.Sprintf("it is built on the image of %s, which cannot be built", other.Name)})
				more = true
			}
		}
	}
}

// faultyBelow returns a job that cannot be built and on whose image another is.
func (e *examination) faultyBelow(j *plan.Job, images []plan.Image) *plan.Job {
	var below []*plan.Job
	for _, image := range images {
		below = append(below, e.makers.Of(image.Ref))
	}
	below = append(below, e.makers.Of(j.Base))
	for _, linked := range j.Links {
		below = append(below, linked)
	}
	for _, other := range below {
		if other != nil && other.Name != j.Name && e.isFaulty(other.Name) {
			return other
		}
	}
	return nil
}

func names(jobs []*plan.Job) (all []string) {
	for _, j := range jobs {
		all = append(all, j.Name)
	}
	return all
}
