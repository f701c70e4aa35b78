package cli

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/plan"
)

// bakeOptions are the flags of stoker bake.
//
// Large: a field for each flag of docker buildx bake.
type bakeOptions struct {
	buildOptions
	files      []string
	set        []string
	vars       []string
	rowsVar    string
	print      bool
	list       string
	plan       bool
	checkOnly  bool
	telling    telling
	allow      []string
	push, load bool
	noCache    bool
	pull       bool
	sbom       string
	provenance string
}

func newBake(streams Streams) *cobra.Command {
	var o bakeOptions
	cmd := &cobra.Command{
		Use:   "bake [-f FILE]... [flags] [TARGET...]",
		Short: "Build the targets of bake and compose files",
		Long: `Build the targets of bake files (HCL, JSON) and compose files, as docker buildx
bake does: with groups, matrix, inherits, functions and overrides. Each target
is a job. What others are built on (contexts = { base = "target:base" }) is
built once; it is a job of its own where it is asked for, too.

Without -f the files are looked for that docker buildx bake looks for; without
TARGET the target or group "default" is built.

With --rows and --rows-var the rows of a file fill a typed variable, so that
matrix = { task = tasks } makes a target of each.

Exit codes: 0 all built or skipped; 1 some job failed; 2 wrong usage or
unreadable input; 3 no builder could be reached; 130 interrupted.`,
		Example: `  stoker bake --push
  stoker bake -f docker-bake.hcl --set '*.args.VERSION=2' --push agents
  stoker bake --rows tasks.jsonl --rows-var tasks --push`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.flags = cmd.Flags()
			if err := o.run.beQuiet(); err != nil {
				return err
			}
			return runBake(cmd.Context(), o, args, streams)
		},
	}
	o.addTo(cmd.Flags())
	o.telling.addTo(cmd)
	return cmd
}

func (o *bakeOptions) addTo(f *pflag.FlagSet) {
	o.input.rowOptions.addTo(f)
	once(f, &o.rowsVar, "rows-var", "`NAME` of the typed variable that the rows fill, a list of objects or maps")
	f.StringArrayVarP(&o.files, "file", "f", nil, "bake or compose `FILE`, several times for more (- for standard input)")
	f.StringArrayVar(&o.set, "set", nil, "override an attribute of targets, `TARGET.KEY=VALUE`, such as '*.args.VERSION=2'")
	f.StringArrayVar(&o.vars, "var", nil, "set a variable of the bake file, `NAME=VALUE`")
	f.BoolVar(&o.print, "print", false, "print what is to be built as JSON, and build nothing")
	f.StringVar(&o.list, "list", "", "list `targets|variables` and build nothing; type=targets,format=json for JSON")
	f.BoolVar(&o.plan, "plan", false, "tell what the run would do as \"stoker plan\" does, and build nothing")
	f.BoolVar(&o.checkOnly, "check-only", false, "tell all that would go wrong, as \"stoker check\" does, and build nothing")
	f.StringArrayVar(&o.allow, "allow", nil, "let builds do more, such as network.host, ssh or fs.read=PATH")
	f.BoolVar(&o.push, "push", false, "push the images under their tags, as --set '*.output=type=registry' does")
	f.BoolVar(&o.load, "load", false, "load the images into docker, as --set '*.output=type=docker' does")
	f.BoolVar(&o.noCache, "no-cache", false, "do not use the cache")
	f.BoolVar(&o.pull, "pull", false, "always ask registries for the newest base images")
	f.StringVar(&o.sbom, "sbom", "", "shorthand for --set '*.attest=type=sbom'")
	f.StringVar(&o.provenance, "provenance", "", "shorthand for --set '*.attest=type=provenance'")
	f.StringVar(&o.input.metadataFile, "metadata-file", "", "write what is known of each image to `FILE`, as JSON")
	o.input.addCompression(f)
	f.IntVar(&o.input.batchSize, "batch-size", 15, "consecutive jobs that are accounted together")
	f.IntVar(&o.input.limit, "limit", 0, "fill --rows-var with only the first `N` rows (0: all)")
	o.input.addShard(f)
	o.call.addTo(f)
	f.BoolVar(&o.run.checkFirst, "check-first", false, "find what would go wrong first, as \"stoker check\" does, and build nothing when there is a fault")
	o.builder.addTo(f)
	o.run.addTo(f)
	o.prune.addTo(f)
	o.space.addTo(f)
}

func runBake(ctx context.Context, o bakeOptions, targets []string, streams Streams) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	question, err := o.question(targets, streams)
	if err != nil {
		return err
	}
	if o.checkOnly {
		t := o.telling
		t.began, t.version = time.Now(), streams.Version
		_, p, err := o.planOf(ctx, question)
		return o.checkPlan(ctx, p, err, t, streams)
	}
	if o.list != "" || o.print {
		return o.show(ctx, question, streams)
	}
	resolved, p, err := o.planOf(ctx, question)
	if err != nil {
		return err
	}
	o.call.targets = resolved
	var asked []*plan.Job
	if !o.call.Asks() {
		asked = takeAsked(p)
	}
	switch {
	case o.plan:
		return forecast(ctx, p, o.buildOptions, nil, formatTable, streams)
	case len(asked) == 0 || o.run.dryRun:
		return buildPlan(ctx, p, o.buildOptions, streams)
	}
	return o.askAndBuild(ctx, asked, p, streams)
}

// askAndBuild asks about the targets that say so, and builds the others.
func (o *bakeOptions) askAndBuild(ctx context.Context, asked []*plan.Job, p *plan.Plan, streams Streams) error {
	err := ask(ctx, asked, o.buildOptions, streams)
	if len(p.Jobs) == 0 || err != nil && !errors.As(err, new(*exitError)) {
		return cmp.Or(err, p.Close())
	}
	if failed := buildPlan(ctx, p, o.buildOptions, streams); failed != nil {
		return failed
	}
	return err
}
