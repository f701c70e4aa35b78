package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// Target is an image to build that is described by itself, by a target of a bake file.
type Target struct {
	Name string
	// Options are buildx's own. Their named contexts may be other targets' results
	// (target:NAME).
	Options build.Options
	// Outputs and CacheTo are those of the options as they were written.
	Outputs []*buildflags.ExportEntry
	CacheTo []*buildflags.CacheOptionsEntry
	// Linked tells that it is wanted only for what others build on it: it is built as
	// a part of them, and is no job of the plan.
	Linked bool
}

// TargetSpec is what the targets of a plan have in common.
type TargetSpec struct {
	// Name is what a person calls where the targets are described, such as a file's name.
	Name string
	// Record is the directory of the run's record, which no context sends; empty for none.
	Record string
	// TagHint says how a target is given a tag.
	TagHint string
	// MetadataFile is where what is known of all images goes; empty for nowhere.
	MetadataFile string
	// InsecureRegistries are pushed to without TLS, as loopback ones are.
	InsecureRegistries []string
	// Compression is that of images whose outputs say nothing of it.
	Compression Compression
	BatchSize   int
	// Shard is the part of the jobs that is built.
	Shard Shard
}

// OfTargets makes the plan that builds targets, in their order. Everything that can be
// wrong with them is found here. The plan must be closed.
func OfTargets(spec TargetSpec, targets []Target) (*Plan, error) {
	m := &targetMaker{spec: spec, sources: &sources{words: targetWords, record: keyOf(spec.Record)}, jobs: map[string]*Job{}}
	p := &Plan{BatchSize: max(spec.BatchSize, 1), sources: m.sources, words: targetWords}
	if err := m.fill(p, targets); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// targetMaker makes jobs of targets.
type targetMaker struct {
	spec    TargetSpec
	sources *sources
	jobs    map[string]*Job // by the targets' names, the linked ones among them
}

// fill makes the jobs of a plan, and checks them.
func (m *targetMaker) fill(p *Plan, targets []Target) error {
	var found mistakes.Findings
	names := targetNames(targets)
	for i, t := range targets {
		job, err := m.job(names[i], t)
		if err == nil {
			err = job.Source.check(context.Background(), job.Options, "")
		}
		if err != nil {
			found.Add(placeOf(t), err)
			continue
		}
		m.jobs[t.Name] = job
		if !t.Linked {
			p.Jobs = append(p.Jobs, job)
		}
	}
	if err := found.Err(m.spec.Name); err != nil {
		return err
	}
	if err := m.link(targets); err != nil {
		return err
	}
	if err := errors.Join(p.checkShared(nil), checkCircles(p.Jobs), checkHashed(p)); err != nil {
		return err
	}
	p.keepShard(m.spec.Shard)
	return nil
}

// placeOf is where a target's faults stand.
func placeOf(t Target) mistakes.Place { return mistakes.Place{Name: "target " + t.Name} }

// targetNames are the names of the targets' jobs, which also differ where case does not count.
func targetNames(targets []Target) []string {
	in := rows.Input{Rows: make([]rows.Row, len(targets))}
	for i, t := range targets {
		in.Rows[i] = rows.Row{Name: t.Name, Identity: t.Name, Columns: map[string]any{}}
	}
	in.Complete()
	names := make([]string, len(targets))
	for i, row := range in.Rows {
		names[i] = row.Name
	}
	return names
}

// job makes the job of a target, but for its links.
func (m *targetMaker) job(name string, t Target) (*Job, error) {
	o := t.Options
	source, err := m.sources.read(sourceOf(o.Inputs))
	if err != nil {
		return nil, err
	}
	contexts := o.Inputs.NamedContexts
	o.Inputs = source.Inputs()
	o.Inputs.NamedContexts = contexts
	if err := checkTarget(o); err != nil {
		return nil, err
	}
	job := &Job{Name: name, Source: source, Options: o, MetadataFile: m.spec.MetadataFile}
	if job.Tags, err = fullTags(o.Tags); err != nil {
		return nil, err
	}
	if checkNames(job) != nil {
		return nil, &InputError{What: tagsAttribute, Problems: []string{"a tag is needed when pushing to a registry"},
			Hint: m.spec.TagHint}
	}
	if job.writes, err = writesOf(t, len(job.Tags) > 0); err != nil {
		return nil, err
	}
	names := slices.Clone(job.Tags)
	for i := range names {
		if names[i], err = withGraphHash(names[i], UnknownHash); err != nil {
			return nil, err
		}
	}
	job.compression = m.spec.Compression
	job.Options.Exports = withInsecure(job.compression.compress(o.Exports), names, m.spec.InsecureRegistries)
	return job, job.TakeGraphHash()
}

// sourceOf says where a target's Dockerfile and context are. The default name is left to
// be found, since it may be in lower case, too.
func sourceOf(in build.Inputs) place {
	p := place{context: in.ContextPath, file: in.DockerfilePath, inline: in.DockerfileInline}
	if p.inline != "" || p.file == filepath.Join(p.context, "Dockerfile") {
		p.file = ""
	}
	return p
}

// checkTarget finds what buildx or the builder would refuse of every attempt.
func checkTarget(o build.Options) error {
	for _, step := range []struct {
		attribute string
		err       error
	}{
		{"network", checkNetwork(o.NetworkMode)},
		{"extra-hosts", checkHosts(o.ExtraHosts)},
		{"contexts", checkContexts(o.Inputs.NamedContexts)},
		{outputAttribute, build.ValidateLocalExportDelete(o.Exports, slices.Contains(o.Allow, buildflags.EntitlementBuildxLocalDelete))},
	} {
		if step.err != nil {
			return &InputError{What: step.attribute, Problems: []string{step.err.Error()}}
		}
	}
	return nil
}

// checkContexts makes sure that local contexts are there.
func checkContexts(contexts map[string]build.NamedContext) error {
	for _, name := range slices.Sorted(maps.Keys(contexts)) {
		if err := checkContextPath(contexts[name].Path); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// fullTags returns tags with registry and tag spelled out, each once.
func fullTags(tags []string) (full []string, err error) {
	for _, text := range tags {
		if usesGraphHash(text) {
			full = append(full, text)
			continue
		}
		tag, err := imageref.Parse(text)
		switch {
		case err != nil:
			e := &InputError{What: tagsAttribute, Problems: []string{fmt.Sprintf("%q is not a valid tag: %s", text, err)}}
			if onlyUpper(text) {
				e.Hint = inLowerCase
			}
			return nil, e
		case tag.Digest() != "":
			return nil, &InputError{What: tagsAttribute, Problems: []string{fmt.Sprintf("%q has a digest; a tag cannot", text)}}
		case !slices.Contains(full, tag.String()):
			full = append(full, tag.String())
		}
	}
	return full, nil
}

// writesOf returns what a target's build writes beside its tags.
func writesOf(t Target, tagged bool) (all []destination, err error) {
	for i, e := range t.Outputs {
		output := &templated{flag: outputAttribute, text: e.String()}
		if err := output.checkType("output", e.Type, outputTypes); err != nil {
			return nil, err
		}
		if err := output.checkDestination(e); err != nil {
			return nil, err
		}
		if usesGraphHash(e.Destination) && t.Options.Exports[i].OutputDir == "" {
			return nil, output.wrong("a file cannot be called by {{.GraphHash}} here, but tags and directories can")
		}
		all = append(all, called(outputAttribute, exportDestinations(e, t.Options.Exports[i], tagged))...)
	}
	for _, e := range t.CacheTo {
		if err := (&templated{flag: cacheToAttribute, text: e.String()}).checkType("cache", e.Type, cacheTypes); err != nil {
			return nil, err
		}
		all = append(all, called(cacheToAttribute, cacheDestinations(e))...)
	}
	return all, nil
}

// called are destinations that an attribute names.
func called(attribute string, destinations []destination) []destination {
	for i := range destinations {
		destinations[i].flag = attribute
	}
	return destinations
}

// link sets the links of all jobs, and what depends on them.
func (m *targetMaker) link(targets []Target) error {
	for _, t := range targets {
		if err := m.linkJob(t.Name, nil); err != nil {
			return err
		}
	}
	return nil
}

// linkJob sets the links of a job after those of the jobs that it is built on. The
// targets that lead to it are under way.
func (m *targetMaker) linkJob(name string, underWay []string) error {
	job := m.jobs[name]
	if job.Kind != "" {
		return nil
	}
	underWay = append(underWay, name)
	args := maps.Clone(job.Options.BuildArgs)
	for _, c := range job.Options.Inputs.NamedContexts {
		linked, is := strings.CutPrefix(c.Path, targetContext)
		switch {
		case !is:
			continue
		case slices.Contains(underWay, linked):
			circle := append(underWay[slices.Index(underWay, linked):], linked)
			return &InputError{What: m.spec.Name, Problems: []string{"targets are built on each other in a circle: " + strings.Join(circle, " -> ")},
				Hint: "a target's contexts must lead to targets that are not built on it"}
		case m.jobs[linked] == nil:
			return &InputError{What: m.spec.Name, Problems: []string{fmt.Sprintf("target %s: contexts: no target is named %q", name, linked)}}
		}
		if err := m.linkJob(linked, underWay); err != nil {
			return err
		}
		if job.Links == nil {
			job.Links = map[string]*Job{}
		}
		job.Links[linked] = m.jobs[linked]
		args[targetContext+linked] = m.jobs[linked].Hash
	}
	job.Hash = job.Source.Hash(job.Options.Target, args)
	job.Kind = job.Source.kind(job.Options.Target, job.Options.BuildArgs)
	return nil
}

// WithLinked returns jobs and all those that they are built on in the same build, each
// once, after those that it is built on itself.
func WithLinked(jobs []*Job) (all []*Job) {
	seen := map[*Job]bool{}
	var add func(*Job)
	add = func(j *Job) {
		if seen[j] {
			return
		}
		seen[j] = true
		for _, name := range slices.Sorted(maps.Keys(j.Links)) {
			add(j.Links[name])
		}
		all = append(all, j)
	}
	for _, j := range jobs {
		add(j)
	}
	return all
}
