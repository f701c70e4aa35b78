// Package plan says what one run is to build. It reads and checks the input,
// fills templates in and gives every job buildx's own build options; it
// talks to no builder and no registry.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/docker/buildx/build"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// Plan is all that one run is to build, in order. It may be read concurrently
// while nobody changes it.
type Plan struct {
	// Jobs[i] is the i-th job of the run.
	Jobs []*Job
	// BatchSize is how many consecutive jobs are accounted together.
	BatchSize int
	// Notes are remarks about the input that a person should see, such as
	// references that were listed twice.
	Notes []string
	// Sidecars are further files that the rows were read from.
	Sidecars []string
	// Secrets are values of the rows, and what templates make of them, that are to be kept
	// from whoever reads of the plan.
	Secrets []string
	// Part tells of which shard the jobs are; nil where the input is not cut.
	Part *Part

	sources *sources
	words   words
}

// Close removes the plan's copies of Dockerfiles: nothing can be built then.
func (p *Plan) Close() error { return p.sources.close() }

// Batches returns the number of batches.
func (p *Plan) Batches() int {
	return (len(p.Jobs) + p.BatchSize - 1) / p.BatchSize
}

// Batch returns the number of the batch that the i-th job is in; the first
// batch is 1.
func (p *Plan) Batch(i int) int { return i/p.BatchSize + 1 }

// limit keeps the first n jobs; 0 keeps all.
func (p *Plan) limit(n int) {
	if n > 0 && n < len(p.Jobs) {
		p.Jobs = p.Jobs[:n]
	}
}

// Reorder puts the jobs into another order: order[i] is the present place of the
// job that is to be the i-th. It must name each place once.
func (p *Plan) Reorder(order []int) {
	jobs := make([]*Job, len(p.Jobs))
	for i, from := range order {
		jobs[i] = p.Jobs[from]
	}
	p.Jobs = jobs
}

// Imports tells whether jobs import cache from elsewhere.
func (p *Plan) Imports() bool {
	return slices.ContainsFunc(p.Jobs, func(j *Job) bool { return len(j.Options.CacheFrom) > 0 })
}

// Kind names what is built, whatever the rows' values are: it changes when the
// Dockerfiles, targets or build arguments of the jobs are others.
func (p *Plan) Kind() string {
	kinds := map[string]bool{}
	for _, j := range p.Jobs {
		kinds[j.Kind] = true
	}
	all := slices.Sorted(maps.Keys(kinds))
	if len(all) == 1 {
		return all[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(all, " ")))
	return hex.EncodeToString(sum[:6])
}

// Job is one image to build. It is complete in itself: nothing else is needed to
// build it.
//
// Large: an image is made of many things.
type Job struct {
	// Name is the job's identity: unique within the plan, also where case does
	// not count, and safe as the name of a directory.
	Name string
	// Source is its Dockerfile and context.
	Source *Source
	// Base is the reference of the base image that it is given by a build
	// argument, as the input has it; empty where its Dockerfile has its own.
	Base string
	// Images are further images that its build is known to read. They are told
	// by the builder, and must be set before the job is queued.
	Images []string
	// Links are the jobs whose results it builds on, in the same build, by the names
	// that its named contexts have for them (target:NAME).
	Links map[string]*Job
	// Tags are the full references under which the image is to be known.
	Tags []string
	// Kind is the same for jobs of one Dockerfile, target and set of build
	// arguments, whatever their values: what they take can be learned together.
	Kind string
	// Hash changes when the Dockerfile, the target or a build argument other
	// than the base image changes.
	Hash string
	// Options are buildx's own, ready for build.Build. They are shared between
	// jobs: clone before changing them (see BuildOptions).
	Options build.Options
	// MetadataFile is where what is known of its image goes; empty for nowhere.
	MetadataFile string
	// Proved says which of its steps were linked by themselves; nil for none.
	Proved *Proved
	// Origin is the line that its row is; zero where that is none of a file.
	Origin Origin
	// Problem is why it cannot be built; nil where nothing is known of that.
	Problem error
	// compression is that of an image whose output says nothing of it.
	compression Compression
	// writes is what its build writes beside its tags.
	writes []destination
	// later sets what it writes again once the hash of what its build does is known; nil
	// where none of that has it, or it is known.
	later func(job *Job, hash string) error
	// tagsHashed tells whether all of its tags have that hash.
	tagsHashed bool
}

// Origin is a line of a file of rows.
type Origin struct {
	File string
	Line int
}

// originOf is the line that a row is.
func originOf(file string, row rows.Row) Origin {
	if row.Place.Unit != mistakes.Line(0).Unit {
		return Origin{} // a row of a table may take several lines
	}
	return Origin{file, row.Place.Number}
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

// Registries returns the hosts that the plan may have to do with, sorted, each
// once: those of its jobs, and of build arguments, which may name images too. An
// argument that does not only adds a host that is never asked.
func (p *Plan) Registries() []string {
	hosts := map[string]bool{}
	for _, j := range p.Jobs {
		for _, host := range j.Registries() {
			hosts[host] = true
		}
		for _, value := range j.Options.BuildArgs {
			hosts[imageref.HostOf(value)] = true
		}
	}
	delete(hosts, "")
	return slices.Sorted(maps.Keys(hosts))
}

// Registries returns the hosts of all References, sorted, each once.
func (j *Job) Registries() []string {
	hosts := map[string]bool{}
	for _, ref := range j.References() {
		hosts[imageref.HostOf(ref)] = true
	}
	delete(hosts, "")
	return slices.Sorted(maps.Keys(hosts))
}

// References returns the images that a job is known to read (its base image,
// named contexts and Images) and its tags.
func (j *Job) References() []string { return slices.Concat(j.inputs(), j.Images, j.Tags) }

// inputs are the images that the input itself has a job read.
func (j *Job) inputs() []string {
	var refs []string
	if j.Base != "" {
		refs = append(refs, j.Base)
	}
	for _, c := range j.Options.Inputs.NamedContexts {
		if ref, image := strings.CutPrefix(c.Path, imageContext); image {
			refs = append(refs, ref)
		}
	}
	return refs
}

// checkShared makes sure that no two jobs would overwrite what the other has made. What a
// job writes is checked once it is known how it is called. The rows are those that the
// jobs were made of, as far as they are still known.
func (p *Plan) checkShared(made []rows.Row) error {
	columns := make(map[string]map[string]any, len(made))
	for _, row := range made {
		columns[row.Name] = row.Columns
	}
	var writers []writer
	for _, j := range p.Jobs {
		if j.later == nil && j.Problem == nil {
			writers = append(writers, writer{j.Name, slices.Concat(tagDestinations(p.words.tag, j.Tags), j.writes), columns[j.Name]})
		}
	}
	return checkShared(writers)
}

// tagOf returns the tag that a reference stands for, with registry and tag
// spelled out; empty where it is a digest alone.
func tagOf(ref string) string {
	parsed, err := imageref.Parse(ref)
	if err != nil || parsed.Tag() == "" {
		return ""
	}
	return parsed.Repository() + ":" + parsed.Tag()
}
