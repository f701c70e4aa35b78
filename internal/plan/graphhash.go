package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/rows"
)

const (
	// The hash of what a job's build does, which only a builder can tell.
	graphHashColumn = "GraphHash"
	// UnknownHash stands for one that is not known, and is as long.
	UnknownHash = "unknown-hash"
	// otherHash shows what has the hash: that is another with this one.
	otherHash = "another-hash"
)

const graphHashPlaces = "-t, --metadata-file, --output and --cache-to"

// refuseGraphHash refuses templates that decide what is built and have the hash of that,
// unless it is a column of the rows.
func (m *maker) refuseGraphHash(in rows.Input) error {
	if len(in.Rows) > 0 {
		if _, own := in.Rows[0].Columns[graphHashColumn]; own {
			return nil
		}
	}
	for _, t := range slices.Concat(m.making(), m.outputs.from, m.outputs.annotations) {
		if t.uses(graphHashColumn) {
			return hashMisplaced(t.String())
		}
	}
	return nil
}

func hashMisplaced(what string) error {
	return &InputError{What: what, Problems: []string{"{{." + graphHashColumn + "}} is known once it is known what is built, and cannot be a part of that"},
		Hint: "it can be used in " + graphHashPlaces + "; for a tag of another job's that has it, build on that job by a link (target:) of a bake file"}
}

// setWritten sets what a job's build writes, of which some may have the hash of what it
// does: then it is set again once that is known.
func (m *maker) setWritten(job *Job, columns map[string]any) error {
	_, own := columns[graphHashColumn]
	if own || !slices.ContainsFunc(m.written(), func(t *templated) bool { return t.uses(graphHashColumn) }) {
		return m.write(job, columns)
	}
	job.later = func(job *Job, hash string) error {
		columns[graphHashColumn] = hash
		return m.write(job, columns)
	}
	if err := job.later(job, UnknownHash); err != nil {
		return err
	}
	// A template may have the hash for some rows alone.
	other := *job
	if err := job.later(&other, otherHash); err != nil {
		return err
	}
	if reflect.DeepEqual(job.written(), other.written()) {
		job.later = nil
	}
	return nil
}

// written is all that a job's build writes, by its names.
func (j *Job) written() []any {
	return []any{j.Tags, j.Options.Exports, j.Options.CacheTo, j.writes, j.MetadataFile}
}

// written are the templates of what builds write.
func (m *maker) written() []*templated {
	return slices.Concat(m.tags, m.outputs.exports, m.outputs.to, []*templated{m.metadata})
}

// write sets a job's tags, outputs and metadata file.
func (m *maker) write(job *Job, columns map[string]any) (err error) {
	job.Options.Exports, job.Options.CacheFrom, job.Options.CacheTo, job.writes = nil, nil, nil, nil
	if job.Tags, err = m.tagsOf(job.Base, columns); err != nil {
		return err
	}
	if err := m.outputs.set(job, columns); err != nil {
		return err
	}
	if err := checkNames(job); err != nil {
		return err
	}
	if err := m.setMetadataFile(job, columns); err != nil {
		return err
	}
	job.Options.Exports = withInsecure(job.Options.Exports, job.Tags, m.spec.InsecureRegistries)
	return nil
}

// TakeGraphHash has a job that no template of flags has made take the hash of what its
// build does where its texts have {{.GraphHash}}: in its tags, in the attributes and directories of
// its outputs, and in the caches that it exports. Until that is known UnknownHash stands there.
func (j *Job) TakeGraphHash() error {
	if err := j.refuseGraphHash(); err != nil {
		return err
	}
	raw := *j
	uses := false
	later := func(job *Job, hash string) error {
		return job.takeTexts(raw, func(text *string) (err error) {
			uses = uses || usesGraphHash(*text)
			*text, err = withGraphHash(*text, hash)
			return err
		})
	}
	if err := later(j, UnknownHash); err != nil || !uses {
		return err
	}
	j.later = later
	return nil
}

// withGraphHash returns a text with a hash where it is a template that has one.
func withGraphHash(text, hash string) (string, error) {
	if !usesGraphHash(text) {
		return text, nil
	}
	t, err := parseTemplate("template", text)
	if err != nil {
		return "", err
	}
	return t.expand(map[string]any{graphHashColumn: hash})
}

// usesGraphHash tells whether a text is a template that has the hash.
func usesGraphHash(text string) bool {
	t, err := parseTemplate("", text)
	return err == nil && t.uses(graphHashColumn)
}

// refuseGraphHash refuses a hash where it would be a part of what is hashed.
func (j *Job) refuseGraphHash() error {
	texts := map[string]string{"base image": j.Base}
	for name, c := range j.Options.Inputs.NamedContexts {
		texts["context "+name] = c.Path
	}
	for name, value := range j.Options.BuildArgs {
		texts["argument "+name] = value
	}
	for name, value := range j.Options.Labels {
		texts["label "+name] = value
	}
	for _, what := range slices.Sorted(maps.Keys(texts)) {
		if usesGraphHash(texts[what]) {
			return hashMisplaced(j.Name + ": " + what)
		}
	}
	return nil
}

// takeTexts takes over what another job writes, filled in.
func (j *Job) takeTexts(raw Job, fill func(*string) error) error {
	j.Tags, j.writes, j.MetadataFile = slices.Clone(raw.Tags), slices.Clone(raw.writes), raw.MetadataFile
	j.Options.Exports, j.Options.CacheTo = slices.Clone(raw.Options.Exports), slices.Clone(raw.Options.CacheTo)
	texts := []*string{&j.MetadataFile}
	for i, tag := range j.Tags {
		if err := fill(&j.Tags[i]); err != nil {
			return err
		}
		parsed, err := imageref.Parse(j.Tags[i])
		if err != nil {
			return &InputError{What: j.Name, Problems: []string{fmt.Sprintf("%q gives %q, which is not a valid tag: %s", tag, j.Tags[i], err)}}
		}
		j.Tags[i] = parsed.String()
	}
	for i := range j.writes {
		texts = append(texts, &j.writes[i].name, &j.writes[i].key)
	}
	for i := range j.Options.Exports {
		e := &j.Options.Exports[i]
		texts = append(texts, &e.OutputDir)
		if err := fillAttrs(&e.Attrs, fill); err != nil {
			return err
		}
	}
	for i := range j.Options.CacheTo {
		if err := fillAttrs(&j.Options.CacheTo[i].Attrs, fill); err != nil {
			return err
		}
	}
	for _, text := range texts {
		if err := fill(text); err != nil {
			return err
		}
	}
	return nil
}

// fillAttrs fills in copies of attributes.
func fillAttrs(attrs *map[string]string, fill func(*string) error) error {
	out := maps.Clone(*attrs)
	for key, value := range out {
		if err := fill(&value); err != nil {
			return err
		}
		out[key] = value
	}
	*attrs = out
	return nil
}

// Hashed returns the jobs of which something is called by the hash of what their builds do,
// which is not known yet.
func (p *Plan) Hashed() (jobs []*Job) {
	for _, j := range p.Jobs {
		if j.later != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// FillHashes fills in the hashes of Hashed jobs, and checks what they write. A job whose
// hash is not told cannot be built, for the error.
func (p *Plan) FillHashes(hash func(*Job) (string, error)) error {
	for _, j := range p.Hashed() {
		h, err := hash(j)
		if err != nil {
			j.later = nil
			j.Problem = fmt.Errorf("{{.%s}} cannot be told: %w", graphHashColumn, err)
			continue
		}
		before := j.Tags
		if err := j.later(j, h); err != nil {
			return fmt.Errorf("%s: %w", j.Name, err)
		}
		j.later, j.tagsHashed = nil, !slices.ContainsFunc(before, func(tag string) bool { return slices.Contains(j.Tags, tag) })
	}
	return p.checkShared(nil)
}

// TagsHashed tells whether each tag has the hash of what is built in it. That of a job of
// which no hash could be told is none that exists already.
func (p *Plan) TagsHashed() bool {
	return len(p.Jobs) > 0 && !slices.ContainsFunc(p.Jobs, func(j *Job) bool {
		return !j.tagsHashed && j.Problem == nil && j.later == nil
	})
}

// HashNote says that hashes stand for unknown ones; empty where none do.
func (p *Plan) HashNote() string {
	if len(p.Hashed()) == 0 {
		return ""
	}
	return UnknownHash + " stands for {{." + graphHashColumn + "}}, which only a builder can tell, and none was asked"
}
