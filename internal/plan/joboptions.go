package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/platformutil"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/rows"
)

// baseOf returns the base image of a row's job; empty where there is none to be
// passed on.
func (m *maker) baseOf(row rows.Row, columns map[string]any) (string, error) {
	if m.spec.Base == "" {
		return row.Base, nil
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
	if err := m.giveSecrets(&o, columns); err != nil {
		return o, err
	}
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
		if err := checkContextPath(path); err != nil {
			return nil, &InputError{What: flag, Problems: []string{err.Error()}}
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
