package plan

import (
	"maps"
	"slices"

	"github.com/docker/buildx/util/buildflags"
)

// The columns that a row gets here.
const (
	gitSHAColumn = "GitSHA"         // the commit that the context is at; known once there is a context
	hashColumn   = "DockerfileHash" // Job.Hash; known once all is that it stands for
)

// templates are the flags that a row can fill in, but for those of outputs.
type templates struct {
	path, file, base, target *templated
	metadata                 *templated
	tags, platforms, secrets []*templated
	args, labels, contexts   map[string]*templated
}

// newTemplates reads the templates of a spec.
func newTemplates(spec Spec) (t templates, err error) {
	contexts, err := buildflags.ParseContextNames(spec.Contexts)
	if err != nil {
		return t, &InputError{What: "--build-context", Problems: []string{err.Error()}}
	}
	for _, one := range []struct {
		to         **templated
		flag, text string
	}{
		{&t.path, "PATH", spec.Context}, {&t.file, "-f", spec.File},
		{&t.base, "--base", spec.Base}, {&t.target, "--target", spec.Target},
		{&t.metadata, MetadataFlag, spec.MetadataFile},
	} {
		if *one.to, err = parseTemplate(one.flag, one.text); err != nil {
			return t, err
		}
	}
	if spec.Preset != "" {
		t.base.said = "--preset " + spec.Preset
	}
	if t.tags, err = parseTemplates(tagFlag, spec.TagTemplates, parseTemplate); err != nil {
		return t, err
	}
	if t.platforms, err = parseTemplates("--platform", spec.Platforms, parseTemplate); err != nil {
		return t, err
	}
	if t.secrets, err = parseTemplates(secretFlag, spec.Secrets, parseParts); err != nil {
		return t, err
	}
	if t.args, err = parseValues("--build-arg", spec.BuildArgs); err != nil {
		return t, err
	}
	if t.labels, err = parseValues("--label", spec.Labels); err != nil {
		return t, err
	}
	if t.contexts, err = parseValues("--build-context", contexts); err != nil {
		return t, err
	}
	return t, nil
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
func (t *templates) making() []*templated {
	all := slices.Concat([]*templated{t.path, t.file, t.base, t.target}, t.platforms)
	for _, values := range []map[string]*templated{t.args, t.labels, t.contexts} {
		all = slices.AppendSeq(all, maps.Values(values))
	}
	return all
}

// with are all templates, with those of outputs.
func (t *templates) with(outputs *outputs) []*templated {
	return slices.Concat(t.making(), t.tags, t.secrets, outputs.all(), []*templated{t.metadata})
}

// madeSecrets is what the templates have made of fields that look secret, each once.
func (m *maker) madeSecrets() []string {
	made := map[string]bool{}
	for _, t := range m.with(m.outputs) {
		maps.Copy(made, t.secret.made)
	}
	return slices.Sorted(maps.Keys(made))
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
