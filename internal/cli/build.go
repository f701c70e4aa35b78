package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/buildx/util/buildflags"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/engine"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/recovery"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/show"
)

// buildOptions are the flags of stoker build.
type buildOptions struct {
	input   inputOptions
	builder builderOptions
	run     runOptions
	prune   pruneOptions
	space   spaceOptions
	// flags are all of these, as the command line and variables set them.
	flags *pflag.FlagSet
}

func newBuild(streams Streams) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build {--images FILE | --rows FILE} -t TEMPLATE [flags] PATH",
		Short: "Build an image for each line of a list, or for each row of a file",
		Long: `Build one image for each line of an image list, or for each row of a file with
JSON Lines.

Of an image list, each reference is passed to the build as the argument
BASE_IMAGE (--base-arg for another). Of rows, --base says what is passed; it can
be left out when the Dockerfiles have their own FROM.

PATH, -f, -t, --target, --build-arg, --build-context, --label, --annotation,
--platform, --base, --output, --cache-from and --cache-to may be Go templates
over the line:

  .Ref .Name .Tag .Repo .Index   of an image list: the reference and its parts
  .id .repo .meta.version ...    of rows: the fields that they have
  .Name .Index                   of rows: the job's name and its place
  .GitSHA                        the commit of the build context; not in PATH
                                 and -f
  .DockerfileHash                changes with Dockerfile, build arguments and
                                 target; in -t and --label
  functions                      lower upper replace trunc slug trimPrefix ...

Every flag can be set by a variable: --batch-size by STOKER_BATCH_SIZE. One that
can be given several times takes one value per line.

Exit codes: 0 all built or skipped; 1 some job failed; 2 wrong usage or
unreadable input; 3 no builder could be reached; 130 interrupted.`,
		Example: `  stoker build --images bases.txt -f agent/Dockerfile --push \
    -t 'registry.example/agent:{{.Name}}' --workers 4 ./agent
  stoker build --rows tasks.jsonl --build-arg 'VERSION={{.version}}' --push \
    -t 'registry.example/{{.repo | lower}}:{{.id}}' 'tasks/{{.id}}'`,
		SuggestFor:        []string{"run", "bake", "make", "start", "resume"},
		Args:              cobra.ArbitraryArgs, // variables may set flags that come first
		ValidArgsFunction: completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.flags = cmd.Flags()
			if err := o.run.beQuiet(); err != nil {
				return err
			}
			if err := o.input.take(args); err != nil {
				return err
			}
			return runBuild(cmd.Context(), o, streams)
		},
	}
	o.input.addTo(cmd.Flags())
	o.builder.addTo(cmd.Flags())
	o.run.addTo(cmd.Flags())
	o.prune.addTo(cmd.Flags())
	o.space.addTo(cmd.Flags())
	cmd.Flags().BoolVar(&o.run.lint, "check", false, "have the builder check the Dockerfiles, print what it finds, and build nothing")
	return cmd
}

// take checks that it is said what is to be built, and takes the build context.
func (o *inputOptions) take(args []string) error {
	if _, _, err := o.inputFlag(); err != nil {
		return err
	}
	switch len(args) {
	case 0:
		return &flagError{errors.New("the build context is missing: give the directory PATH as the last argument, such as . or ./agent")}
	case 1:
		o.context = args[0]
		return nil
	}
	return &flagError{fmt.Errorf("exactly one build context is needed, got %d arguments: %s", len(args), strings.Join(args, " "))}
}

func runBuild(ctx context.Context, o buildOptions, streams Streams) error {
	if err := o.check(); err != nil {
		return err
	}
	p, err := o.input.plan(streams.In, o.builder.insecure)
	if err != nil {
		return err
	}
	defer p.Close()
	if o.run.dryRun {
		return printJobs(streams.Out, p)
	}
	if o.run.lint {
		return check(ctx, p, o, streams)
	}
	if err := p.CheckOutputs(); err != nil {
		return err
	}
	if err := o.checkWrites(p); err != nil {
		return err
	}
	if err := o.input.prepareFiles(p); err != nil {
		return err
	}
	return execute(ctx, p, o, streams)
}

// printJobs writes the jobs in order with their tags.
func printJobs(w io.Writer, p *plan.Plan) error {
	for _, note := range p.Notes {
		fmt.Fprintf(w, "# %s\n", note)
	}
	for i, j := range p.Jobs {
		if _, err := fmt.Fprintf(w, "%d\tbatch %d\t%s\t%s\t%s\n", i+1, p.Batch(i), j.Name, cmp.Or(j.Base, "-"), strings.Join(j.Tags, ",")); err != nil {
			return err
		}
	}
	return nil
}

// check finds flags that make no sense before anything else is done.
func (o buildOptions) check() error {
	return errors.Join(o.input.check(), o.run.check(), o.run.checkResume(), o.prune.check(), o.space.check())
}

// engine turns the flags into the engine's options, but for the parts that talk
// to a builder or write to disk.
func (o buildOptions) engine(p *plan.Plan) (engine.Options, error) {
	options := engine.Options{
		Plan: p, Workers: o.run.workers, Retries: o.run.retries, RetriesStep: o.run.retryStep,
		RetryDelay: o.run.retryDelay, RetryDelayMax: retryDelayMax,
		RegistryPause: o.run.regPause, RegistryWait: o.run.regWait,
		Timeout: o.run.timeout, StallTimeout: o.run.stall, MaxFailures: o.run.maxFail.of(len(p.Jobs)), FailFast: o.run.failFast, PostBuild: o.run.postBuild,
		Attributions: ledger.Attributions{Dir: filepath.Join(o.builder.stateDir, "attributions")}, Order: engine.Order(o.space.order), Space: o.space.options(),
		Prune: o.prune.options(), Redact: o.redactor(p),
	}
	learned := ledger.ReadLearned(o.builder.stateDir, p.Kind())
	options.Space.Rates.PerByte = learned.CacheBytesPerPulledByte
	if options.Space.Rates.Own == 0 {
		options.Space.Rates.Own = learned.OwnBytesPerJob
	}
	registries, err := registry.New(o.builder.insecure)
	if err != nil {
		return options, err
	}
	options.AskRegistry, options.Graphs = registries.Ask, builder.Offline{Config: registries.Config}
	if !o.run.force {
		options.Registry = registries
	}
	return options, nil
}

// execute builds a plan: connect, open the record, run, say how it went.
func execute(ctx context.Context, p *plan.Plan, o buildOptions, streams Streams) (err error) {
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return err
	}
	defer done()
	options, err := o.engine(p)
	if err != nil {
		return err
	}
	b, err := o.builder.connect(ctx, p.Registries())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.CanLoad(ctx, p.Jobs); err != nil {
		return err
	}
	limits, mirrors := &registry.Limits{}, b.Mirrors()
	options.BuilderName, options.LayerSizes = b.Name(), o.builder.sizes(mirrors, limits).Of
	options.Mirrors, options.Limits = mirrors.Of, limits.All
	options.Builder, options.Graphs, options.Nodes, options.Prune.Owner = b, b, engineNodes(b), o.prune.owner(b)
	options.Recovery = o.recovery(b.Name())
	if err := checkWithFrontend(ctx, p, b); err != nil {
		return err
	}

	options.ResumeCommand = resumeCommand(streams, o.flags, os.LookupEnv, options.Redact)
	record, resumed, err := o.openLedger(ctx, p, streams.Version, options.ResumeCommand)
	if err != nil {
		return err
	}
	defer record.Close()
	options.Ledger, options.Resumed, options.Again = record, resumed.Entries, o.again(resumed)
	p.Notes = append(p.Notes, resumed.Notes...)
	view, err := show.New(show.Mode(o.run.progress), viewStream(o.run, streams), show.Options{Results: streams.Out, Pushed: pushed(p), Kept: resumed.Entries})
	if err != nil {
		return err
	}
	options.Journal = journal.New()
	shown := show.Attach(options.Journal, view)
	summary, err := engine.Run(ctx, options)
	o.learn(p, summary)
	err = errors.Join(err, shown.Close(), o.input.writeFiles(p, record.Entries()))
	if err := appendStepSummary(summary); err != nil {
		fmt.Fprintf(streams.Err, "warning: the summary is not on the job's page: %s\n", err)
	}
	if err != nil {
		return &runError{err}
	}
	return outcome(ctx, summary)
}

// checkWithFrontend has the builder's frontend find a mistake in the one
// Dockerfile of all jobs, where nobody else can. What else it says is a matter of
// single jobs, or comes again when all are asked about.
func checkWithFrontend(ctx context.Context, p *plan.Plan, b *builder.Builder) error {
	job := p.InDoubt()
	if job == nil {
		return nil
	}
	var mistake error
	_ = b.Graphs(ctx, []*plan.Job{job}, func(_ *plan.Job, _ graph.Graph, err error) {
		if err != nil && builder.DoesNotParse(err) {
			mistake = job.Source.DoesNotParse(err)
		}
	})
	return mistake
}

// recovery returns how processes take turns at mending a builder; nil to mend
// nothing.
func (o buildOptions) recovery(builderName string) *recovery.Turns {
	if !o.run.recover {
		return nil
	}
	path := o.run.recoverBy
	if path == "" {
		name := digest.FromString(builderName).Encoded()[:16]
		path = filepath.Join(o.builder.stateDir, "recovery", name+".lock")
	}
	return &recovery.Turns{Path: path, Interval: o.run.recoverGap}
}

// learn keeps what the run showed for the next. That it cannot be kept costs
// only a worse forecast.
func (o buildOptions) learn(p *plan.Plan, s ledger.Summary) {
	if s.Space != nil && s.Space.OwnBytesPerJob > 0 {
		_ = ledger.WriteLearned(o.builder.stateDir, p.Kind(), ledger.Learned{
			CacheBytesPerPulledByte: s.Space.CacheBytesPerPulledByte, OwnBytesPerJob: s.Space.OwnBytesPerJob})
	}
}

func engineNodes(b *builder.Builder) []engine.Node {
	var nodes []engine.Node
	for _, n := range b.Nodes() {
		nodes = append(nodes, n)
	}
	return nodes
}

// sizes asks for the sizes of layers where the builder does, once and without
// patience: they only make forecasts better.
func (o builderOptions) sizes(mirrors builder.Mirrors, limits *registry.Limits) *layers.Sizes {
	return layers.NewSizes(layers.Options{Dir: filepath.Join(o.stateDir, "chains"), Tries: 1,
		Insecure: append(mirrors.Plain, o.insecure...), Mirrors: mirrors.Of, Transport: limits.Read(remote.DefaultTransport)})
}

// The longest pause between two attempts at a job.
const retryDelayMax = 2 * time.Minute

// viewStream is where the view goes: to standard error, as the progress of
// docker buildx does, but for JSON, which a program reads from standard output.
func viewStream(ro runOptions, streams Streams) io.Writer {
	if ro.progress == string(show.ModeJSON) {
		return streams.Out
	}
	return streams.Err
}

// outcome turns a summary into an exit code.
func outcome(ctx context.Context, s ledger.Summary) error {
	switch {
	case errors.Is(context.Cause(ctx), engine.ErrInterrupted):
		return &exitError{ExitInterrupted}
	case s.Failed > 0 || s.Unfinished > 0:
		return &exitError{ExitFailed}
	}
	return nil
}

// appendStepSummary adds the summary to the page of a GitHub job.
func appendStepSummary(s ledger.Summary) error {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	_, err = f.WriteString(s.Markdown(false))
	return errors.Join(err, f.Close())
}

// plan reads the input and makes the plan of it. The plan must be closed.
func (o inputOptions) plan(stdin io.Reader, insecure []string) (*plan.Plan, error) {
	input, err := o.readInput(stdin)
	if err != nil {
		return nil, err
	}
	spec, err := o.spec()
	if err != nil {
		return nil, err
	}
	spec.Stdin, spec.InsecureRegistries = stdin, insecure
	return plan.New(spec, input)
}

// inputFlag returns which flag says what is to be built, and the file that it names.
func (o inputOptions) inputFlag() (flag, name string, err error) {
	switch {
	case o.images != "" && o.rows != "":
		return "", "", &flagError{errors.New("--images and --rows are two ways to say what to build: give one of them")}
	case o.images != "":
		return "--images", o.images, nil
	case o.rows != "":
		return "--rows", o.rows, nil
	}
	return "", "", &flagError{errors.New("--images FILE or --rows FILE is needed: a list of base images, one reference per line, " +
		"or rows as JSON Lines, one object per line (- for standard input)")}
}

// readInput reads the rows: of an image list, or JSON Lines.
func (o inputOptions) readInput(stdin io.Reader) (plan.Input, error) {
	flag, name, err := o.inputFlag()
	if err != nil {
		return plan.Input{}, err
	}
	read := readImageRows
	if flag == "--rows" {
		read = plan.ReadRows
	}
	switch {
	case name == "-" && o.file == "-":
		return plan.Input{}, &flagError{fmt.Errorf("%s and -f cannot both be read from standard input", flag)}
	case name == "-":
		return read("standard input", stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return plan.Input{}, fmt.Errorf("%s: %w", flag, err)
	}
	defer f.Close()
	return read(name, f)
}

func readImageRows(name string, r io.Reader) (plan.Input, error) {
	images, notes, err := plan.ReadImages(name, r)
	if err != nil {
		return plan.Input{}, err
	}
	rows, err := plan.ImageRows(images)
	return plan.Input{Name: name, Rows: rows, Notes: notes}, err
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
	return plan.Spec{
		Context: o.context, File: o.file, Base: o.base, BaseArg: o.baseArg, AllowOutside: o.allowOutside,
		TagTemplates: o.tags, BuildArgs: args, PlainArgs: plainArgs, Contexts: o.contexts, Labels: labels,
		Target: o.target, Platforms: o.platforms, Secrets: o.secrets, SSH: o.ssh,
		CacheFrom: o.cacheFrom, CacheTo: o.cacheTo, Outputs: o.outputs, Attests: o.attests(),
		Annotations: o.annotations, NetworkMode: o.network, ExtraHosts: o.extraHosts, Allow: o.allow,
		CgroupParent: o.cgroupParent, ShmSize: o.shmSize, Ulimits: o.ulimits, Resources: o.resources,
		NoCache: o.noCache, NoCacheFilter: o.noCacheFilter, Pull: o.pull, Push: o.push, Load: o.load,
		MetadataFile: o.metadataFile, BatchSize: o.batchSize, Limit: o.limit, Shard: o.shard,
	}, nil
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
	return nil
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
	return args, plain, err
}

// options turns the flags into the builder's; with existingOnly no private
// builder is started.
func (o builderOptions) options(registries []string, existingOnly bool) builder.Options {
	return builder.Options{
		Name: o.name, Buildkitd: o.buildkitd, BuildkitdConfig: o.config, StateDir: o.stateDir, ExistingOnly: existingOnly,
		InsecureRegistries: append(slices.Clip(o.insecure), loopback(registries)...),
	}
}

// existing returns the nearest directory of a path that exists.
func existing(path string) string {
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return path
}

func (o builderOptions) connect(ctx context.Context, registries []string) (*builder.Builder, error) {
	return builder.Connect(ctx, o.options(registries, false))
}
