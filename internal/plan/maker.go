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
	m.sources = &sources{stdin: spec.Stdin, guard: m.guard, words: flagWords, record: keyOf(spec.Record)}
	templates, err := newTemplates(spec)
	if err != nil {
		return nil, err
	}
	m.templates = templates
	if err := m.checkSecrets(); err != nil {
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

// fill makes the jobs of a plan, and checks them.
func (m *maker) fill(p *Plan, in rows.Input) error {
	if err := m.refuseGraphHash(in); err != nil {
		return err
	}
	names := make([]string, len(in.Rows))
	for i, row := range in.Rows {
		names[i] = row.Name
	}
	if !m.path.varies() && !m.file.varies() {
		// What is wrong with the one source is told once, not by row.
		if _, err := m.sources.read(place{context: m.spec.Context, file: m.spec.File}); err != nil {
			return mistakes.OfAll(fieldForBraces(err, in, m.path, m.file), names)
		}
	}
	if err := m.checkDifference(in); err != nil {
		return err
	}
	elsewhere := firstPlaces(in)
	for _, t := range m.with(m.outputs) {
		t.elsewhere = elsewhere
	}
	found := mistakes.Findings{Jobs: names}
	var places []mistakes.Place // of the jobs
	for _, row := range in.Rows {
		job, err := m.job(row)
		if err != nil {
			found.AddOf(row.Name, row.Place, err)
			continue
		}
		job.Origin = originOf(in.Name, row)
		p.Jobs, places = append(p.Jobs, job), append(places, row.Place)
	}
	// What the others have in their Dockerfiles is told with it.
	if err := m.checkSources(p.Jobs, places, &found); err != nil {
		return mistakes.OfAll(err, names)
	}
	if err := found.Err(in.Name); err != nil {
		return err
	}
	p.Secrets = m.madeSecrets()
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
		Hint: "use a row's fields in PATH, -f, --target, --base, --build-arg or --label, for example --build-arg 'VERSION={{.version}}'"}
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

// checkSources checks the Dockerfiles of jobs, which stand at places. Of jobs of the same
// kind one stands for all. Where all jobs are of one kind, what is wrong is returned: it
// is no row's.
func (m *maker) checkSources(jobs []*Job, places []mistakes.Place, found *mistakes.Findings) error {
	type sample struct {
		source *Source
		kind   string
	}
	of := map[sample][]int{}
	var kinds []sample
	for i, j := range jobs {
		s := sample{j.Source, j.Kind}
		if of[s] == nil {
			kinds = append(kinds, s)
		}
		of[s] = append(of[s], i)
	}
	problems := make([]error, len(kinds))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for n, s := range kinds {
		group.Go(func() error {
			problems[n] = m.checkSource(jobs[of[s][0]])
			return nil
		})
	}
	_ = group.Wait()
	if len(kinds) == 1 && len(jobs) == len(found.Jobs) {
		return problems[0]
	}
	for n, s := range kinds {
		if problems[n] == nil {
			continue
		}
		for _, i := range of[s] {
			found.AddOf(jobs[i].Name, places[i], problems[n])
		}
	}
	return nil
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
