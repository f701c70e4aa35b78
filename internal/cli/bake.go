package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/buildx/util/buildflags"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/bake"
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
	call       string
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
	f.StringVar(&o.call, "call", "build", "`build` the targets, or check their Dockerfiles")
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
	f.BoolVar(&o.run.lint, "check", false, "short for --call=check")
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
	definition, err := bake.Read(question)
	if err != nil {
		return err
	}
	if o.list != "" {
		list, err := bake.ParseList(o.list)
		if err != nil {
			return &flagError{fmt.Errorf("--list %q: %w", o.list, err)}
		}
		return definition.List(streams.Out, list)
	}
	resolved, err := definition.Resolve(ctx)
	if err != nil {
		return err
	}
	if o.print {
		return resolved.Print(streams.Out)
	}
	compression, err := o.input.compressed()
	if err != nil {
		return err
	}
	p, err := resolved.Plan(plan.TargetSpec{MetadataFile: o.input.metadataFile, InsecureRegistries: o.builder.insecure, Compression: compression,
		BatchSize: o.input.batchSize, Shard: o.input.shard})
	if err != nil {
		return err
	}
	p.Notes = append(p.Notes, question.Rows.Notes...)
	o.input.definitions = definition.Paths()
	if o.plan {
		return forecast(ctx, p, o.buildOptions, nil, formatTable, streams)
	}
	return buildPlan(ctx, p, o.buildOptions, streams)
}

// checkFlags finds flags that make no sense, and makes --check what it is short for.
func (o *bakeOptions) checkFlags() error {
	if o.run.lint {
		o.call = "check"
	}
	hasRows := o.input.images != "" || o.input.rows != "" || o.input.each != ""
	switch {
	case o.print && o.list != "", o.plan && (o.print || o.list != ""):
		return &flagError{errors.New("--print, --list and --plan print different things: give one of them")}
	case o.call != "build" && o.call != "check" && o.call != "lint":
		return &flagError{fmt.Errorf("--call %q: targets can be asked for with build or check only; docker buildx bake --call tells more of them", o.call)}
	case hasRows && o.rowsVar == "":
		return &flagError{errors.New("--rows-var NAME is needed: it names the variable of the bake file that the rows fill")}
	case !hasRows && o.rowsVar != "":
		return &flagError{errors.New("--rows-var says which variable the rows fill: give the rows, with --rows FILE")}
	case !hasRows && (o.input.where != "" || o.input.selectFile != "" || o.input.sample != 0 || o.input.limit != 0):
		return &flagError{errors.New("--where, --select, --sample and --limit choose rows: give these with --rows FILE, or name targets instead")}
	}
	o.run.lint = o.call != "build"
	return o.check()
}

// question is what the flags ask of bake files.
func (o *bakeOptions) question(targets []string, streams Streams) (q bake.Question, err error) {
	q = bake.Question{Files: o.files, Stdin: streams.In, Targets: targets, Overrides: o.overrides(), Allow: o.allow, RowsVar: o.rowsVar, Listing: o.list != ""}
	for _, text := range o.vars {
		if name, _, given := strings.Cut(text, "="); name == "" || !given {
			return q, &flagError{fmt.Errorf("--var %q: it must be NAME=VALUE", text)}
		}
	}
	if q.Vars, err = keyValues("--var", o.vars); err != nil {
		return q, err
	}
	if o.rowsVar == "" {
		return q, nil
	}
	if q.Rows, _, err = o.input.readRows(streams.In); err != nil {
		return q, err
	}
	if n := o.input.limit; n > 0 && n < len(q.Rows.Rows) {
		q.Rows.Rows = q.Rows.Rows[:n]
	}
	return q, nil
}

// overrides are --set and the flags that are short for it.
func (o *bakeOptions) overrides() []string {
	all := o.set
	add := func(is bool, override string) {
		if is {
			all = append(all, override)
		}
	}
	add(o.push, "*.push=true")
	add(o.load, "*.load=true")
	add(o.run.lint, "*.call=lint")
	add(o.flags.Changed("no-cache"), fmt.Sprintf("*.no-cache=%t", o.noCache))
	add(o.flags.Changed("pull"), fmt.Sprintf("*.pull=%t", o.pull))
	add(o.sbom != "", "*.attest="+buildflags.CanonicalizeAttest("sbom", o.sbom))
	add(o.provenance != "", "*.attest="+buildflags.CanonicalizeAttest("provenance", o.provenance))
	return all
}

// completeTargets names the targets and groups of the bake files that the flags so far
// name.
func completeTargets(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	files, err := cmd.Flags().GetStringArray("file")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	definition, err := bake.Read(bake.Question{Files: files, Stdin: strings.NewReader(""), Listing: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, name := range definition.Names() {
		if strings.HasPrefix(name, typed) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
