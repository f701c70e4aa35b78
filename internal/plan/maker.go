package plan

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/platformutil"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/imageref"
)

// maker makes the jobs of a spec.
type maker struct {
	spec    Spec
	sources *sources
	guard   *guard
	// common are the options that no row changes, by whether the context is
	// fetched from git by ssh.
	common map[bool]build.Options

	path, file, base, target *templated
	metadata                 *templated
	tags, platforms          []*templated
	args, labels, contexts   map[string]*templated
	outputs                  *outputs
	gitSHA                   bool // a template asks for it
}

func newMaker(spec Spec) (*maker, error) {
	if len(spec.TagTemplates) == 0 && spec.Push {
		return nil, needsTag("--push")
	}
	m := &maker{spec: spec, common: map[bool]build.Options{}}
	if !spec.AllowOutside {
		g, err := newGuard()
		if err != nil {
			return nil, err
		}
		m.guard = g
	}
	m.sources = &sources{stdin: spec.Stdin, guard: m.guard}
	if err := m.parse(); err != nil {
		return nil, err
	}
	outputs, err := newOutputs(spec, m.guard)
	if err != nil {
		return nil, err
	}
	m.outputs = outputs
	m.gitSHA = slices.ContainsFunc(slices.Concat(m.making(), m.tags, outputs.all(), []*templated{m.metadata}), func(t *templated) bool { return t.uses(gitSHAColumn) })
	options, err := spec.options(false)
	m.common[false] = options
	return m, err
}

// parse reads the templates.
func (m *maker) parse() error {
	contexts, err := buildflags.ParseContextNames(m.spec.Contexts)
	if err != nil {
		return &InputError{What: "--build-context", Problems: []string{err.Error()}}
	}
	for _, one := range []struct {
		to         **templated
		flag, text string
	}{
		{&m.path, "PATH", m.spec.Context}, {&m.file, "-f", m.spec.File},
		{&m.base, "--base", m.spec.Base}, {&m.target, "--target", m.spec.Target},
		{&m.metadata, MetadataFlag, m.spec.MetadataFile},
	} {
		if *one.to, err = parseTemplate(one.flag, one.text); err != nil {
			return err
		}
	}
	if m.tags, err = parseTemplates(tagFlag, m.spec.TagTemplates, parseTemplate); err != nil {
		return err
	}
	if m.platforms, err = parseTemplates("--platform", m.spec.Platforms, parseTemplate); err != nil {
		return err
	}
	if m.args, err = parseValues("--build-arg", m.spec.BuildArgs); err != nil {
		return err
	}
	if m.labels, err = parseValues("--label", m.spec.Labels); err != nil {
		return err
	}
	if m.contexts, err = parseValues("--build-context", contexts); err != nil {
		return err
	}
	return nil
}

func parseTemplates(flag string, texts []string, parse func(flag, text string) (*templated, error)) ([]*templated, error) {
	templates := make([]*templated, len(texts))
	for i, text := range texts {
		t, err := parse(flag, text)
		if err != nil {
			return nil, err
		}
		templates[i] = t
	}
	return templates, nil
}

func parseValues(flag string, values map[string]string) (map[string]*templated, error) {
	templates := map[string]*templated{}
	for key, text := range values {
		t, err := parseTemplate(flag+" "+key, text)
		if err != nil {
			return nil, err
		}
		templates[key] = t
	}
	return templates, nil
}

// making are the templates that decide what an image is made of; all but its
// tags.
func (m *maker) making() []*templated {
	all := slices.Concat([]*templated{m.path, m.file, m.base, m.target}, m.platforms)
	for _, values := range []map[string]*templated{m.args, m.labels, m.contexts} {
		all = slices.AppendSeq(all, maps.Values(values))
	}
	return all
}

// fill makes the jobs of a plan, and checks them.
func (m *maker) fill(p *Plan, in Input) error {
	if !m.path.varies() && !m.file.varies() {
		// What is wrong with the one source is told once, not by row.
		if _, err := m.sources.read(place{context: m.spec.Context, file: m.spec.File}); err != nil {
			return err
		}
	}
	if err := m.checkDifference(in); err != nil {
		return err
	}
	var found findings
	for i, name := range jobNames(in.Rows) {
		job, err := m.job(in.Rows[i], i, name)
		if err != nil {
			found.add(in.Rows[i].Line, err)
			continue
		}
		p.Jobs = append(p.Jobs, job)
	}
	if err := found.err(in.Name); err != nil {
		return err
	}
	if err := m.checkSources(p, in); err != nil {
		return err
	}
	p.limit(m.spec.Limit)
	p.Notes = slices.Concat(p.Notes, m.unusedArgs(p))
	if err := p.checkShared(); err != nil {
		return err
	}
	p.keepShard(m.spec.Shard)
	return nil
}

// checkDifference makes sure that rows can make images that differ.
func (m *maker) checkDifference(in Input) error {
	if len(in.Rows) < 2 || in.Rows[0].base != "" || slices.ContainsFunc(m.making(), (*templated).varies) {
		return nil
	}
	return &InputError{What: in.Name, Problems: []string{"nothing that is built comes from a row, so that every image would be the same"},
		Hint: "use a row's fields in PATH, -f, --target, --build-arg or --base, for example --build-arg 'VERSION={{.version}}'"}
}

// The columns that a row has beside its own.
const (
	nameColumn   = "Name"           // the job's name
	indexColumn  = "Index"          // the row's place in the input; the first is 0
	gitSHAColumn = "GitSHA"         // the commit that the context is at; known once there is a context
	hashColumn   = "DockerfileHash" // Job.Hash; known once all is that it stands for
)

// job makes the job of a row.
func (m *maker) job(row Row, index int, name string) (*Job, error) {
	columns := maps.Clone(row.columns)
	give := func(column string, value any) {
		if _, own := columns[column]; !own {
			columns[column] = value
		}
	}
	give(nameColumn, name)
	give(indexColumn, index)
	source, err := m.source(columns)
	if err != nil {
		return nil, err
	}
	if m.gitSHA {
		sha, err := source.GitSHA()
		if err != nil {
			return nil, err
		}
		give(gitSHAColumn, sha)
	}
	job := &Job{Name: name, Source: source}
	if job.Base, err = m.baseOf(row, columns); err != nil {
		return nil, err
	}
	if job.Options, err = m.options(source, columns); err != nil {
		return nil, err
	}
	job.Hash = source.Hash(job.Options.Target, job.Options.BuildArgs)
	give(hashColumn, job.Hash)
	if job.Base != "" {
		job.Options.BuildArgs[m.spec.BaseArg] = job.Base
	}
	job.Kind = source.kind(job.Options.Target, job.Options.BuildArgs)
	if job.Options.Labels, err = values(m.labels, columns); err != nil {
		return nil, err
	}
	if job.Tags, err = m.tagsOf(job.Base, columns); err != nil {
		return nil, err
	}
	if err := m.outputs.set(job, columns); err != nil {
		return nil, err
	}
	if err := checkNames(job); err != nil {
		return nil, err
	}
	if err := m.setMetadataFile(job, columns); err != nil {
		return nil, err
	}
	job.Options.Exports = withInsecure(job.Options.Exports, job.Tags, m.spec.InsecureRegistries)
	return job, nil
}

// setMetadataFile sets where a job's metadata goes: into a file of its own where the
// flag is a template, and into the one of all jobs where it is not.
func (m *maker) setMetadataFile(job *Job, columns map[string]any) (err error) {
	job.MetadataFile, err = m.metadata.expand(columns)
	if err != nil || !m.metadata.varies() || job.MetadataFile == "" {
		return err
	}
	if err := m.guard.checkPart(m.metadata, "dest", job.MetadataFile); err != nil {
		return err
	}
	job.writes = append(job.writes, pathDestination(MetadataFlag, job.MetadataFile, false))
	return nil
}

// source reads the Dockerfile and the context of a row.
func (m *maker) source(columns map[string]any) (*Source, error) {
	path, err := m.path.expand(columns)
	if err != nil {
		return nil, err
	}
	file, err := m.file.expand(columns)
	if err != nil {
		return nil, err
	}
	return m.sources.read(place{context: path, file: file, contextFromRow: m.path.varies(), fileFromRow: m.file.varies()})
}

// baseOf returns the base image of a row's job; empty where there is none to be
// passed on.
func (m *maker) baseOf(row Row, columns map[string]any) (string, error) {
	if m.spec.Base == "" {
		return row.base, nil
	}
	base, err := m.base.expand(columns)
	if err != nil || base == "" {
		return "", err
	}
	if _, err := imageref.Parse(base); err != nil {
		return "", m.base.wrong(fmt.Sprintf("the result %q is no image reference: %s", base, err))
	}
	return base, nil
}

// options returns the options of a row's job, but for its labels and outputs.
func (m *maker) options(source *Source, columns map[string]any) (o build.Options, err error) {
	gitSSH := buildflags.IsGitSSH(source.context)
	if _, made := m.common[gitSSH]; !made {
		if m.common[gitSSH], err = m.spec.options(gitSSH); err != nil {
			return o, err
		}
	}
	o = m.common[gitSSH]
	o.Inputs = source.Inputs()
	if o.Target, err = m.target.expand(columns); err != nil {
		return o, err
	}
	if o.BuildArgs, err = values(m.args, columns); err != nil {
		return o, err
	}
	maps.Copy(o.BuildArgs, m.spec.PlainArgs)
	if o.Platforms, err = m.platformsOf(columns); err != nil {
		return o, err
	}
	o.Inputs.NamedContexts, err = m.contextsOf(columns)
	return o, err
}

// platformsOf returns the platforms of a row's job; none for the builder's own.
func (m *maker) platformsOf(columns map[string]any) ([]ocispecs.Platform, error) {
	named, err := expandAll(m.platforms, columns)
	if err != nil {
		return nil, err
	}
	platforms, err := platformutil.Parse(named)
	if err != nil {
		return nil, &InputError{What: "--platform", Problems: []string{err.Error()}}
	}
	return platforms, nil
}

// contextsOf returns the named contexts of a row's job. Local ones must be there.
func (m *maker) contextsOf(columns map[string]any) (map[string]build.NamedContext, error) {
	paths, err := values(m.contexts, columns)
	if err != nil || len(paths) == 0 {
		return nil, err
	}
	contexts := map[string]build.NamedContext{}
	for name, path := range paths {
		flag := "--build-context " + name
		if m.contexts[name].varies() {
			if err := m.guard.checkContext(flag, path); err != nil {
				return nil, err
			}
		}
		if strings.HasPrefix(path, targetContext) {
			return nil, &InputError{What: flag, Problems: []string{fmt.Sprintf("%q is a target of a bake file, and there is none", path)},
				Hint: "to build on another job's image, give its tag: " + flag + "=" + imageContext + "TAG"}
		}
		if dir, local := localContext(path); local {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return nil, &InputError{What: flag, Problems: []string{fmt.Sprintf("%q is not a directory", dir)}}
			}
		}
		contexts[name] = build.NamedContext{Path: path}
	}
	return contexts, nil
}

// tagsOf returns the tags of a row's job, each once.
func (m *maker) tagsOf(base string, columns map[string]any) (tags []string, err error) {
	for _, t := range m.tags {
		tag, err := t.tag(columns)
		if err != nil {
			return nil, err
		}
		if base != "" && tag == tagOf(base) {
			return nil, &InputError{What: t.String(), Problems: []string{fmt.Sprintf("the tag %s is the base image itself", tag)},
				Hint: "an image cannot take the place of the one that it is built on: give it a tag of its own"}
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// expandAll fills in templates. What comes out empty is left out.
func expandAll(templates []*templated, columns map[string]any) (texts []string, err error) {
	for _, t := range templates {
		text, err := t.expand(columns)
		if err != nil {
			return nil, err
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	return texts, nil
}

// values fills in templates by their keys.
func values(templates map[string]*templated, columns map[string]any) (map[string]string, error) {
	out := make(map[string]string, len(templates)+1)
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		value, err := templates[key].expand(columns)
		if err != nil {
			return nil, err
		}
		out[key] = value
	}
	return out, nil
}

// checkSources checks the Dockerfiles. Of jobs of the same kind one stands for
// all.
func (m *maker) checkSources(p *Plan, in Input) error {
	type sample struct {
		source *Source
		kind   string
	}
	var kinds []int
	seen := map[sample]bool{}
	for i, j := range p.Jobs {
		if s := (sample{j.Source, j.Kind}); !seen[s] {
			seen[s] = true
			kinds = append(kinds, i)
		}
	}
	problems := make([]error, len(kinds))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for n, i := range kinds {
		group.Go(func() error {
			problems[n] = m.checkSource(p.Jobs[i])
			return nil
		})
	}
	_ = group.Wait()
	if len(kinds) == 1 {
		return problems[0]
	}
	var found findings
	for n, i := range kinds {
		if problems[n] != nil {
			found.add(in.Rows[i].Line, problems[n])
		}
	}
	return found.err(in.Name)
}

// checkSource checks the Dockerfile of a job. The base image must make a
// difference where nothing else does.
func (m *maker) checkSource(j *Job) error {
	arg := m.spec.BaseArg
	varies := slices.ContainsFunc(slices.Collect(maps.Values(m.contexts)), (*templated).varies)
	if j.Base == "" || varies || m.path.varies() || m.file.varies() || m.target.varies() {
		arg = ""
	}
	return j.Source.check(context.Background(), j.Options, arg)
}
