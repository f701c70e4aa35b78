package plan

import (
	"errors"
	"maps"
	"slices"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"
)

// options turns the flags that are the same for all jobs into buildx's own
// options, the way that docker buildx build does. A context that is fetched from
// git by ssh needs the user's agent. The session's credentials for registries are
// the builder's to add.
func (s Spec) options(gitSSH bool) (build.Options, error) {
	o := build.Options{
		NetworkMode:   s.NetworkMode,
		ExtraHosts:    s.ExtraHosts,
		NoCache:       s.NoCache,
		NoCacheFilter: s.NoCacheFilter,
		Pull:          s.Pull,
	}
	steps := []struct {
		flag string
		set  func() error
	}{
		{"--secret", func() error { return s.addSecrets(&o) }},
		{"--ssh", func() error { return s.addSSH(&o, gitSSH) }},
		{"--cache-from", func() (err error) { o.CacheFrom, err = caches(s.CacheFrom); return }},
		{"--cache-to", func() (err error) { o.CacheTo, err = caches(s.CacheTo); return }},
		{"--provenance or --sbom", func() error { return s.addAttests(&o) }},
		{"--output", func() error { return s.addExports(&o) }},
		{"--allow", func() (err error) { o.Allow, _, err = buildflags.ParseEntitlements(s.Allow); return }},
		{"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", func() (err error) { o.SourcePolicy, err = build.ReadSourcePolicy(); return }},
	}
	for _, step := range steps {
		if err := step.set(); err != nil {
			return o, &InputError{What: step.flag, Problems: []string{err.Error()}}
		}
	}
	return o, nil
}

func (s Spec) addSecrets(o *build.Options) error {
	specs, err := buildflags.ParseSecretSpecs(s.Secrets)
	if err != nil {
		return err
	}
	o.SecretSpecs = specs
	attach, err := build.CreateSecrets(specs)
	if err != nil {
		return err
	}
	o.Session = append(o.Session, attach)
	return nil
}

func (s Spec) addSSH(o *build.Options, gitSSH bool) error {
	specs, err := buildflags.ParseSSHSpecs(s.SSH)
	if err != nil {
		return err
	}
	if len(specs) == 0 && gitSSH {
		specs = []*buildflags.SSH{{ID: "default"}}
	}
	o.SSHSpecs = specs
	attach, err := build.CreateSSH(specs)
	if err != nil {
		return innermost(err) // what is around it has values of Go
	}
	o.Session = append(o.Session, attach)
	return nil
}

func innermost(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

func (s Spec) addAttests(o *build.Options) error {
	attests, err := buildflags.ParseAttests(s.Attests)
	if err != nil {
		return err
	}
	o.Attests = attests.ToMap()
	return nil
}

func (s Spec) addExports(o *build.Options) error {
	entries, err := buildflags.ParseExports(s.Outputs)
	if err != nil {
		return err
	}
	o.Exports, o.ExportsLocalPathsTemporary, err = build.CreateExports(entries)
	if err != nil {
		return err
	}
	if s.Push && !exportsPush(o.Exports) {
		// unpack=false: as with docker buildx build --push, the image is only
		// pushed and not unpacked into the builder's image store.
		o.Exports = append(o.Exports, client.ExportEntry{Type: client.ExporterImage,
			Attrs: map[string]string{"push": "true", "unpack": "false"}})
	}
	if s.Load && !exportsTo(o.Exports, client.ExporterDocker) {
		o.Exports = append(o.Exports, client.ExportEntry{Type: client.ExporterDocker, Attrs: map[string]string{}})
	}
	return nil
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

func exportsTo(exports []client.ExportEntry, kind string) bool {
	return slices.ContainsFunc(exports, func(e client.ExportEntry) bool { return e.Type == kind })
}

// withInsecure marks image outputs whose tags are in a registry without TLS.
func withInsecure(exports []client.ExportEntry, tags, insecure []string) []client.ExportEntry {
	if !slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(insecure, registryOf(tag)) }) {
		return exports
	}
	out := slices.Clone(exports)
	for i := range out {
		if out[i].Type == client.ExporterImage {
			out[i].Attrs = maps.Clone(out[i].Attrs)
			out[i].Attrs["registry.insecure"] = "true"
		}
	}
	return out
}

func caches(flags []string) ([]client.CacheOptionsEntry, error) {
	entries, err := buildflags.ParseCacheEntry(flags)
	if err != nil {
		return nil, err
	}
	return build.CreateCaches(entries), nil
}
