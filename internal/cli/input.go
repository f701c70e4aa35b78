package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/docker/buildx/util/buildflags"

	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/presets"
)

// take checks that it is said what is to be built, and takes the build context.
func (o *inputOptions) take(args []string) error {
	if _, err := o.inputFlag(); err != nil {
		return err
	}
	switch len(args) {
	case 0:
		return &flagError{errors.New("the build context is missing: give the directory PATH as the last argument, such as . or ./agent")}
	case 1:
		o.context = args[0]
		return nil
	}
	hint := ""
	if o.each != "" {
		hint = "; the pattern of --each must be in quotes, so that the shell leaves it alone"
	}
	return &flagError{fmt.Errorf("exactly one build context is needed, got %d arguments: %s%s", len(args), strings.Join(args, " "), hint)}
}

// plan reads the input and makes the plan of it, with its record in a directory. The plan must be
// closed.
func (o inputOptions) plan(stdin io.Reader, insecure []string, record string) (*plan.Plan, error) {
	in, file, err := o.readRows(stdin)
	if err != nil {
		return nil, err
	}
	spec, err := o.spec()
	if err != nil {
		return nil, err
	}
	spec.File = cmp.Or(spec.File, file)
	spec.Preset = o.basePreset()
	spec.Stdin, spec.InsecureRegistries, spec.Record = stdin, insecure, record
	p, err := plan.New(spec, in)
	secrets := rowSecrets(in)
	if err != nil {
		return nil, keepFrom(err, secrets)
	}
	p.Secrets = append(p.Secrets, secrets...)
	return p, nil
}

func (o inputOptions) spec() (plan.Spec, error) {
	args, plainArgs, err := buildArgs(o.buildArgs)
	if err != nil {
		return plan.Spec{}, err
	}
	_, given := args[o.baseArg]
	_, plain := plainArgs[o.baseArg]
	if o.hasBase() && (given || plain) {
		return plan.Spec{}, &flagError{fmt.Errorf("--build-arg %[1]s: the argument %[1]s carries the base image of each job: leave it out here, "+
			"or have another argument carry the base image, with --base-arg NAME", o.baseArg)}
	}
	labels, err := keyValues("--label", o.labels)
	if err != nil {
		return plan.Spec{}, err
	}
	if o.noCache && len(o.noCacheFilter) > 0 {
		return plan.Spec{}, &flagError{errors.New("--no-cache and --no-cache-filter cannot be used together")}
	}
	compression, err := o.compressed()
	if err != nil {
		return plan.Spec{}, err
	}
	return plan.Spec{
		Context: o.context, File: o.file, Base: o.base, BaseArg: o.baseArg, AllowOutside: o.allowOutside,
		TagTemplates: o.tags, BuildArgs: args, PlainArgs: plainArgs, Contexts: o.contexts, Labels: labels,
		Target: o.target, Platforms: o.platforms, Secrets: o.secrets, SSH: o.ssh,
		CacheFrom: o.cacheFrom, CacheTo: o.cacheTo, Outputs: o.outputs, Attests: o.attests(),
		Annotations: o.annotations, NetworkMode: o.network, ExtraHosts: o.extraHosts, Allow: o.allow,
		CgroupParent: o.cgroupParent, ShmSize: o.shmSize, Ulimits: o.ulimits, Resources: o.resources,
		NoCache: o.noCache, NoCacheFilter: o.noCacheFilter, Pull: o.pull, Push: o.push, Load: o.load, Compression: compression,
		MetadataFile: o.metadataFile, BatchSize: o.batchSize, Limit: o.limit, Shard: o.shard,
	}, nil
}

// compressed reads --compression.
func (o *inputOptions) compressed() (plan.Compression, error) {
	c, err := plan.ParseCompression(o.compression)
	if err != nil {
		return nil, &flagError{fmt.Errorf("--compression %w", err)}
	}
	return c, nil
}

// check finds flags that make no sense whatever the input is.
func (o inputOptions) check() error {
	switch {
	case o.limit < 0:
		return &flagError{fmt.Errorf("--limit %d: it cannot be negative", o.limit)}
	case o.batchSize < 1:
		return &flagError{fmt.Errorf("--batch-size %d: at least 1 is needed", o.batchSize)}
	case o.hasBase() && o.baseArg == "":
		return &flagError{errors.New("--base-arg: it cannot be empty: name the argument that takes the base image, such as BASE_IMAGE")}
	}
	return o.rowOptions.check()
}

// basePreset names the preset that has said what the base images are; empty where --base has.
func (o inputOptions) basePreset() string {
	if p, err := presets.Get(o.preset); err == nil && p.Flags["base"] == o.base {
		return o.preset
	}
	return ""
}

// hasBase tells whether jobs are given base images.
func (o inputOptions) hasBase() bool { return o.images != "" || o.base != "" }

func (o inputOptions) attests() []string {
	attests := o.attest
	if o.provenance != "" {
		attests = append(attests, buildflags.CanonicalizeAttest("provenance", o.provenance))
	}
	if o.sbom != "" {
		attests = append(attests, buildflags.CanonicalizeAttest("sbom", o.sbom))
	}
	return attests
}

// keyValues reads KEY=VALUE flags.
func keyValues(flag string, values []string) (map[string]string, error) {
	out := map[string]string{}
	for _, kv := range values {
		key, value, _ := strings.Cut(kv, "=")
		if key == "" || strings.Contains(key, "{{") {
			return nil, &flagError{fmt.Errorf("%s %q: it must be KEY=VALUE, of which only VALUE may be a template", flag, kv)}
		}
		out[key] = value
	}
	return out, nil
}

// buildArgs reads --build-arg flags. As in docker buildx, one without = takes its
// value from the environment, and is left out when it has none there. Such a
// value is plain: it is no template, whatever it looks like.
func buildArgs(flags []string) (args, plain map[string]string, err error) {
	plain = map[string]string{}
	var given []string
	for _, flag := range flags {
		key, _, hasValue := strings.Cut(flag, "=")
		delete(plain, key)
		if hasValue || key == "" {
			given = append(given, flag)
			continue
		}
		given = slices.DeleteFunc(given, func(other string) bool { return strings.HasPrefix(other, key+"=") })
		if value, set := os.LookupEnv(key); set {
			plain[key] = value
		}
	}
	args, err = keyValues("--build-arg", given)
	const moment = "SOURCE_DATE_EPOCH" // passed on as by docker buildx build
	if _, own := args[moment]; !own && os.Getenv(moment) != "" {
		plain[moment] = os.Getenv(moment)
	}
	return args, plain, err
}
