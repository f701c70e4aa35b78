package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plural"
)

// outputs are the templates that say what comes of a job's build, and where its
// cache comes from and goes.
type outputs struct {
	spec              Spec
	guard             *guard
	exports, from, to []*templated // -o, --cache-from, --cache-to
	annotations       []*templated
	// known are caches by what their directory is a part of and their text. Buildx
	// asks for credentials of each that it makes, from afar at times.
	known map[string]*externalCache
}

func newOutputs(spec Spec, guard *guard) (o *outputs, err error) {
	o = &outputs{spec: spec, guard: guard, known: map[string]*externalCache{}}
	for _, one := range []struct {
		to    *[]*templated
		flag  string
		texts []string
		parse func(flag, text string) (*templated, error)
	}{
		{&o.exports, outputFlag, spec.Outputs, parseParts},
		{&o.from, cacheFromFlag, spec.CacheFrom, parseParts},
		{&o.to, cacheToFlag, spec.CacheTo, parseParts},
		{&o.annotations, "--annotation", spec.Annotations, parseTemplate},
	} {
		if *one.to, err = parseTemplates(one.flag, one.texts, one.parse); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(o.all(), (*templated).varies) {
		return o, nil
	}
	// What is wrong with flags that are the same for all is told once, not by row.
	return o, o.set(&Job{}, nil)
}

// How messages call the flags.
const (
	outputFlag    = "--output"
	cacheFromFlag = "--cache-from"
	cacheToFlag   = "--cache-to"
)

// all are the templates.
func (o *outputs) all() []*templated { return slices.Concat(o.exports, o.from, o.to, o.annotations) }

// set sets what comes of a job's build, and where its cache comes from and goes.
func (o *outputs) set(job *Job, columns map[string]any) error {
	if err := o.setExports(job, columns); err != nil {
		return err
	}
	if err := o.annotate(job, columns); err != nil {
		return err
	}
	from, err := o.caches(o.from, "src", columns)
	if err != nil {
		return err
	}
	to, err := o.caches(o.to, "dest", columns)
	if err != nil {
		return err
	}
	for _, c := range from {
		job.Options.CacheFrom = append(job.Options.CacheFrom, c.options...)
	}
	for _, c := range to {
		job.Options.CacheTo = append(job.Options.CacheTo, c.options...)
		job.writes = append(job.writes, c.writes...)
	}
	return nil
}

// setExports sets a job's outputs, the way that docker buildx build does.
func (o *outputs) setExports(job *Job, columns map[string]any) error {
	var entries []*buildflags.ExportEntry
	for _, t := range o.exports {
		text, err := t.expand(columns)
		if err != nil {
			return err
		}
		parsed, err := buildflags.ParseExports([]string{text})
		if err != nil {
			return t.wrong(err.Error())
		}
		for _, e := range parsed {
			if err := o.checkExport(t, e); err != nil {
				return err
			}
		}
		entries = append(entries, parsed...)
	}
	exports, _, err := build.CreateExports(entries)
	if err != nil {
		return &InputError{What: outputFlag, Problems: []string{err.Error()}}
	}
	var writes []destination
	for i, entry := range entries {
		writes = append(writes, exportDestinations(entry, exports[i], len(job.Tags) > 0)...)
	}
	if twice := writtenTwice(writes); twice != "" {
		return &InputError{What: outputFlag, Problems: []string{fmt.Sprintf("two outputs of one image would both be written to %s", twice)},
			Hint: "give each a destination of its own"}
	}
	job.writes = append(job.writes, writes...)
	if o.spec.Push && !exportsPush(exports) {
		// unpack=false: as with docker buildx build --push, the image is only
		// pushed and not unpacked into the builder's image store.
		exports = append(exports, client.ExportEntry{Type: client.ExporterImage,
			Attrs: map[string]string{"push": "true", "unpack": "false"}})
	}
	if o.spec.Load && !slices.ContainsFunc(entries, loads) {
		exports = append(exports, client.ExportEntry{Type: client.ExporterDocker, Attrs: map[string]string{}})
	}
	if err := build.ValidateLocalExportDelete(exports, slices.Contains(o.spec.Allow, buildflags.EntitlementBuildxLocalDelete)); err != nil {
		return &InputError{What: outputFlag, Problems: []string{err.Error()}}
	}
	job.compression = o.spec.Compression
	job.Options.Exports = job.compression.compress(exports)
	return nil
}

// checkExport finds what is wrong with an output before any job is tried with it.
func (o *outputs) checkExport(t *templated, e *buildflags.ExportEntry) error {
	if err := t.checkType("output", e.Type, outputTypes); err != nil {
		return err
	}
	if err := t.checkDestination(e); err != nil {
		return err
	}
	return o.guard.checkPart(t, "dest", e.Destination)
}

// annotate puts annotations into a job's outputs.
func (o *outputs) annotate(job *Job, columns map[string]any) error {
	texts, err := expandAll(o.annotations, columns)
	if err != nil {
		return err
	}
	job.Options.Annotations, err = buildflags.ParseAnnotations(texts)
	if err != nil {
		return &InputError{What: "--annotation", Problems: []string{err.Error()}}
	}
	for _, e := range job.Options.Exports {
		for key, value := range job.Options.Annotations {
			e.Attrs[key.String()] = value
		}
	}
	return nil
}

// externalCache is where cache comes from or goes: as buildx takes it, and what is
// written there.
type externalCache struct {
	options []client.CacheOptionsEntry
	writes  []destination
}

// caches returns where cache comes from or goes. A directory, which is the part of
// a name, must be where guard allows.
func (o *outputs) caches(templates []*templated, part string, columns map[string]any) (all []*externalCache, err error) {
	for _, t := range templates {
		text, err := t.expand(columns)
		if err != nil {
			return nil, err
		}
		key := part + " " + text
		c := o.known[key]
		if c == nil {
			if c, err = o.cache(t, text, part); err != nil {
				return nil, err
			}
			o.known[key] = c
		}
		all = append(all, c)
	}
	return all, nil
}

func (o *outputs) cache(t *templated, text, part string) (*externalCache, error) {
	entries, err := buildflags.ParseCacheEntry([]string{text})
	if err != nil {
		return nil, t.wrong(err.Error())
	}
	c := &externalCache{options: build.CreateCaches(entries)}
	for _, e := range entries {
		if err := t.checkType("cache", e.Type, cacheTypes); err != nil {
			return nil, err
		}
		if e.Type == "local" {
			if err := o.guard.checkPart(t, part, e.Attrs[part]); err != nil {
				return nil, err
			}
		}
		c.writes = append(c.writes, cacheDestinations(e)...)
	}
	return c, nil
}

// exportsPush makes an image output that is there already push, and tells
// whether there was one.
func exportsPush(exports []client.ExportEntry) bool {
	found := false
	for _, e := range exports {
		if e.Type == client.ExporterImage {
			e.Attrs["push"] = "true"
			if _, set := e.Attrs["unpack"]; !set {
				e.Attrs["unpack"] = "false"
			}
			found = true
		}
	}
	return found
}

// loads tells whether an output goes to docker, and not to a file.
func loads(e *buildflags.ExportEntry) bool {
	return e.Type == client.ExporterDocker && e.Destination == ""
}

// Outputs are the job's outputs, or, where nothing says yet where its image goes, an image as
// it will be.
func (j *Job) Outputs() []client.ExportEntry {
	if len(j.Options.Exports) > 0 {
		return j.Options.Exports
	}
	return j.compression.compress([]client.ExportEntry{{Type: client.ExporterImage}})
}

// pushes tells whether an output goes to a registry.
func pushes(e client.ExportEntry) bool {
	push, _ := strconv.ParseBool(e.Attrs["push"])
	return e.Type == client.ExporterImage && push
}

// Pushes tells whether the job's image is pushed to a registry.
func (j *Job) Pushes() bool { return slices.ContainsFunc(j.Options.Exports, pushes) }

// PushesOnly tells whether nothing else is done with the job's image: where the
// registry has it, nothing is missing.
func (j *Job) PushesOnly() bool {
	return j.Pushes() && !slices.ContainsFunc(j.Options.Exports, func(e client.ExportEntry) bool { return !pushes(e) })
}

// checkNames makes sure that an image that is pushed has a name.
func checkNames(job *Job) error {
	if len(job.Tags) > 0 {
		return nil
	}
	for _, e := range job.Options.Exports {
		if pushes(e) && e.Attrs["name"] == "" {
			return needsTag(outputFlag)
		}
	}
	return nil
}

func needsTag(flag string) error {
	return &InputError{What: flag, Problems: []string{"a tag is needed when pushing to a registry"},
		Hint: "give one with -t, for example -t 'registry.example/agent:{{.Name}}'"}
}

// withInsecure marks image outputs that go to a registry without TLS.
func withInsecure(exports []client.ExportEntry, tags, insecure []string) []client.ExportEntry {
	for i, e := range exports {
		names := tags
		if len(names) == 0 {
			names = strings.Split(e.Attrs["name"], ",")
		}
		if e.Type == client.ExporterImage && slices.ContainsFunc(names, func(name string) bool { return slices.Contains(insecure, imageref.HostOf(name)) }) {
			exports[i].Attrs = maps.Clone(e.Attrs)
			exports[i].Attrs["registry.insecure"] = "true"
		}
	}
	return exports
}

// How many jobs a message names.
const jobsInProblem = 5

// CheckOutputs makes sure that something comes of each job's build.
func (p *Plan) CheckOutputs() error {
	var without []string
	for _, j := range p.Jobs {
		if len(j.Options.Exports) == 0 {
			without = append(without, j.Name)
		}
	}
	if len(without) == 0 {
		return nil
	}
	problem := "nothing says where the images are to go"
	if len(without) < len(p.Jobs) {
		problem = fmt.Sprintf("nothing says where the images of %d of the %d jobs are to go: %s", len(without), len(p.Jobs), plural.Some(without, jobsInProblem, ", "))
	}
	return &InputError{What: "no output", Problems: []string{problem},
		Hint: p.words.outputHint}
}
