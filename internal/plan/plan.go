// Package plan says what one run is to build. It reads and checks the input,
// expands tag templates and gives every job buildx's own build options; it
// talks to no builder and no registry.
package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/distribution/reference"
	"github.com/docker/buildx/build"
)

// Plan is all that one run is to build, in order.
type Plan struct {
	Jobs []*Job
	// BatchSize is how many consecutive jobs are accounted together.
	BatchSize int
	// Notes are remarks about the input that a person should see, such as
	// references that were listed twice.
	Notes []string
}

// Batches returns the number of batches.
func (p *Plan) Batches() int {
	return (len(p.Jobs) + p.BatchSize - 1) / p.BatchSize
}

// Batch returns the number of the batch that the i-th job is in; the first
// batch is 1.
func (p *Plan) Batch(i int) int { return i/p.BatchSize + 1 }

// Limit keeps the first n jobs; 0 keeps all.
func (p *Plan) Limit(n int) {
	if n > 0 && n < len(p.Jobs) {
		p.Jobs = p.Jobs[:n]
	}
}

// Job is one image to build.
type Job struct {
	// Name is unique within the plan, also where case does not count, and safe
	// as the name of a directory.
	Name string
	// Base is the reference of the base image, as the input gave it.
	Base string
	// Tags are the full references under which the image is to be known.
	Tags []string
	// Source is the Dockerfile and the context.
	Source *Source
	// Kind is the same for jobs of one Dockerfile, target and set of build
	// arguments: what they take is learned together.
	Kind string
	// Options are buildx's own, ready for build.Build. They are shared between
	// jobs: clone before changing them (see BuildOptions).
	Options build.Options
}

// BuildOptions returns the job's options for one attempt. buildx changes the
// options that it is given, so that each attempt needs its own.
func (j *Job) BuildOptions() build.Options {
	o := j.Options
	o.Tags = slices.Clone(j.Tags)
	o.BuildArgs = maps.Clone(o.BuildArgs)
	o.CacheFrom = slices.Clone(o.CacheFrom)
	o.CacheTo = slices.Clone(o.CacheTo)
	o.Exports = slices.Clone(o.Exports)
	for i := range o.Exports {
		o.Exports[i].Attrs = maps.Clone(o.Exports[i].Attrs)
	}
	o.Session = slices.Clone(o.Session)
	o.Inputs.NamedContexts = maps.Clone(o.Inputs.NamedContexts)
	return o
}

// Registries returns the hosts of all references that the jobs name, sorted,
// each once.
func (p *Plan) Registries() []string {
	hosts := map[string]bool{}
	for _, j := range p.Jobs {
		for _, host := range j.Registries() {
			hosts[host] = true
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// Registries returns the hosts of all references that a job names: its base
// image and tags, sorted, each once. A build argument may name an image too; one
// that does not only adds a host that is never asked.
func (j *Job) Registries() []string {
	hosts := map[string]bool{registryOf(j.Base): true}
	for _, tag := range j.Tags {
		hosts[registryOf(tag)] = true
	}
	for _, v := range j.Options.BuildArgs {
		hosts[registryOf(v)] = true
	}
	delete(hosts, "")
	return slices.Sorted(maps.Keys(hosts))
}

// checkTags makes sure that no two jobs would overwrite each other's image.
func checkTags(jobs []*Job) error {
	owner := map[string]*Job{}
	var problems []string
	for _, j := range jobs {
		for _, tag := range j.Tags {
			if other, taken := owner[tag]; taken {
				problems = append(problems, fmt.Sprintf("%s and %s both get the tag %s", other.Base, j.Base, tag))
				continue
			}
			owner[tag] = j
		}
	}
	if len(problems) > 0 {
		return &InputError{What: "tags", Problems: problems,
			Hint: "make the tag template differ for each image, for example with {{.Name}} or {{.Tag}}"}
	}
	return nil
}

// registryOf returns the host of a reference's registry; empty for none.
func registryOf(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}

// Reorder puts the jobs into another order: order has for each place the place
// that its job had.
func (p *Plan) Reorder(order []int) {
	jobs := make([]*Job, len(order))
	for place, from := range order {
		jobs[place] = p.Jobs[from]
	}
	p.Jobs = jobs
}

// Imports tells whether jobs import cache from elsewhere.
func (p *Plan) Imports() bool {
	return slices.ContainsFunc(p.Jobs, func(j *Job) bool { return len(j.Options.CacheFrom) > 0 })
}
