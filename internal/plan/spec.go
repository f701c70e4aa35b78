package plan

import (
	"maps"
	"slices"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/platformutil"
	"github.com/moby/buildkit/client"
)

// Spec is what all jobs of an image list have in common: one Dockerfile, built
// once on each base image. The fields are the flags of docker buildx build.
type Spec struct {
	Source        *Source
	BaseArg       string // the build argument that takes the base image
	TagTemplates  []string
	BuildArgs     map[string]string
	Contexts      []string
	Labels        map[string]string
	Target        string
	Platforms     []string
	Secrets       []string
	SSH           []string
	CacheFrom     []string
	CacheTo       []string
	Outputs       []string
	Attests       []string
	NetworkMode   string
	ExtraHosts    []string
	Allow         []string
	NoCache       bool
	NoCacheFilter []string
	Pull          bool
	Push          bool
	Load          bool
	// InsecureRegistries are pushed to without TLS, as loopback ones are.
	InsecureRegistries []string

	BatchSize int
}

// New makes the plan that builds the spec on each of the images, in their
// order. Everything that can be wrong with the input is found here.
func New(spec Spec, images []Image) (*Plan, error) {
	templates, err := parseTemplates(spec)
	if err != nil {
		return nil, err
	}
	if err := spec.Source.Check(spec); err != nil {
		return nil, err
	}
	common, err := spec.options()
	if err != nil {
		return nil, err
	}
	fields := make([]Fields, len(images))
	for i, img := range images {
		if fields[i], err = fieldsOf(img.Ref, i); err != nil {
			return nil, err
		}
		fields[i].DockerfileHash = spec.Source.Hash(spec.Target, spec.BuildArgs)
		fields[i].gitSHA = spec.Source.GitSHA
	}
	p := &Plan{BatchSize: max(spec.BatchSize, 1)}
	for i, name := range jobNames(fields) {
		job := &Job{Name: name, Base: images[i].Ref, Source: spec.Source, Options: common}
		job.Options.BuildArgs = maps.Clone(spec.BuildArgs)
		if job.Options.BuildArgs == nil {
			job.Options.BuildArgs = map[string]string{}
		}
		job.Options.BuildArgs[spec.BaseArg] = images[i].Ref
		for _, t := range templates {
			tag, err := t.Tag(fields[i])
			if err != nil {
				return nil, err
			}
			if !slices.Contains(job.Tags, tag) {
				job.Tags = append(job.Tags, tag)
			}
		}
		job.Options.Exports = withInsecure(common.Exports, job.Tags, spec.InsecureRegistries)
		p.Jobs = append(p.Jobs, job)
	}
	return p, checkTags(p.Jobs)
}

func parseTemplates(spec Spec) ([]*TagTemplate, error) {
	if len(spec.TagTemplates) == 0 && spec.Push {
		return nil, &InputError{What: "--push", Problems: []string{"a tag is needed when pushing to a registry"},
			Hint: "give one with -t, for example -t 'registry.example/agent:{{.Name}}'"}
	}
	var out []*TagTemplate
	for _, text := range spec.TagTemplates {
		t, err := ParseTagTemplate(text)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// options turns the flags into buildx's own options, the way that docker buildx
// build does. The session's credentials for registries are the builder's to
// add.
func (s Spec) options() (build.Options, error) {
	o := build.Options{
		Inputs:        s.Source.Inputs(),
		Labels:        s.Labels,
		Target:        s.Target,
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
		{"--platform", func() (err error) { o.Platforms, err = platformutil.Parse(s.Platforms); return }},
		{"--build-context", func() error { return s.addContexts(&o) }},
		{"--secret", func() error { return s.addSecrets(&o) }},
		{"--ssh", func() error { return s.addSSH(&o) }},
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

func (s Spec) addContexts(o *build.Options) error {
	named, err := buildflags.ParseContextNames(s.Contexts)
	if err != nil {
		return err
	}
	for name, path := range named {
		if o.Inputs.NamedContexts == nil {
			o.Inputs.NamedContexts = map[string]build.NamedContext{}
		}
		o.Inputs.NamedContexts[name] = build.NamedContext{Path: path}
	}
	return nil
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

func (s Spec) addSSH(o *build.Options) error {
	specs, err := buildflags.ParseSSHSpecs(s.SSH)
	if err != nil {
		return err
	}
	if len(specs) == 0 && buildflags.IsGitSSH(o.Inputs.ContextPath) {
		specs = []*buildflags.SSH{{ID: "default"}}
	}
	o.SSHSpecs = specs
	attach, err := build.CreateSSH(specs)
	if err != nil {
		return err
	}
	o.Session = append(o.Session, attach)
	return nil
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
