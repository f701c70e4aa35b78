package plan

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"

	"github.com/docker/buildx/build"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// maker makes the jobs of a spec.
type maker struct {
	spec    Spec
	sources *sources
	guard   *guard
	// common are the options that no row changes, by whether the context is
	// fetched from git by ssh.
	common map[bool]build.Options
	given  secrets

	templates
	outputs *outputs
	gitSHA  bool // a template asks for it
}

func newMaker(spec Spec) (*maker, error) {
	if len(spec.TagTemplates) == 0 && spec.Push {
		return nil, needsTag("--push")
	}
	m := &maker{spec: spec, common: map[bool]build.Options{}, given: secrets{}}
	if !spec.AllowOutside {
		g, err := newGuard()
		if err != nil {
			return nil, err
		}
		m.guard = g
	}
	m.sources = &sources{stdin: spec.Stdin, guard: m.guard, words: flagWords}
	templates, err := newTemplates(spec)
	if err != nil {
		return nil, err
	}
	m.templates = templates
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

// fill makes the jobs of a plan, and checks them.
func (m *maker) fill(p *Plan, in rows.Input) error {
	if err := m.refuseGraphHash(in); err != nil {
		return err
	}
	if !m.path.varies() && !m.file.varies() {
		// What is wrong with the one source is told once, not by row.
		if _, err := m.sources.read(place{context: m.spec.Context, file: m.spec.File}); err != nil {
			return err
		}
	}
	if err := m.checkDifference(in); err != nil {
		return err
	}
	var found mistakes.Findings
	for _, row := range in.Rows {
		job, err := m.job(row)
		if err != nil {
			found.Add(row.Place, err)
			continue
		}
		p.Jobs = append(p.Jobs, job)
	}
	if err := found.Err(in.Name); err != nil {
		return err
	}
	if err := m.checkSources(p, in); err != nil {
		return err
	}
	p.limit(m.spec.Limit)
	p.Notes = slices.Concat(p.Notes, m.unusedArgs(p))
	if err := errors.Join(p.checkShared(in.Rows), checkCircles(p.Jobs), checkHashed(p)); err != nil {
		return err
	}
	p.keepShard(m.spec.Shard)
	return nil
}

// checkDifference makes sure that rows can make images that differ.
func (m *maker) checkDifference(in rows.Input) error {
	if len(in.Rows) < 2 || in.Rows[0].Base != "" || slices.ContainsFunc(m.making(), (*templated).varies) {
		return nil
	}
	return &InputError{What: in.Name, Problems: []string{"nothing that is built comes from a row, so that every image would be the same"},
		Hint: "use a row's fields in PATH, -f, --target, --build-arg or --base, for example --build-arg 'VERSION={{.version}}'"}
}

// job makes the job of a row.
func (m *maker) job(row rows.Row) (*Job, error) {
	columns := maps.Clone(row.Columns)
	give := func(column string, value any) {
		if _, own := columns[column]; !own {
			columns[column] = value
		}
	}
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
	job := &Job{Name: row.Name, Source: source}
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
	return job, m.setWritten(job, columns)
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

// checkSources checks the Dockerfiles. Of jobs of the same kind one stands for
// all.
func (m *maker) checkSources(p *Plan, in rows.Input) error {
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
	var found mistakes.Findings
	for n, i := range kinds {
		if problems[n] != nil {
			found.Add(in.Rows[i].Place, problems[n])
		}
	}
	return found.Err(in.Name)
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
