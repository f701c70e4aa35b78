package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/visible"
)

// buildOptions are the flags of stoker build.
type buildOptions struct {
	input   inputOptions
	builder builderOptions
	run     runOptions
	prune   pruneOptions
	space   spaceOptions
	call    callOptions
	// flags are all of these, as the command line and variables set them.
	flags *pflag.FlagSet
}

func newBuild(streams Streams) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build {--images | --rows | --each} INPUT -t TEMPLATE [flags] PATH",
		Short: "Build an image for each line of a list, or for each row of a file",
		Long: `Build one image for each line of an image list, for each row of a file (JSON
Lines, JSON, CSV, TSV, Parquet, or an id on each line), or for each file or
directory that a pattern matches.

Of an image list, each reference is passed to the build as the argument
BASE_IMAGE (--base-arg for another). Of others, --base says what is passed; it
can be left out when the Dockerfiles have their own FROM.

PATH, -f, -t, --target, --build-arg, --build-context, --label, --annotation,
--platform, --base, --secret, --output, --cache-from and --cache-to may be Go
templates over the line:

  .Ref .Name .Tag .Repo .Index   of an image list: the reference and its parts
  .id .repo .meta.version ...    of rows: the fields that they have
  .Name .Index                   of rows: the job's name and its place
  .Path .Dir .Name               of --each: what is matched, its directory and
                                 that one's name; and what --each-data has
  .GitSHA                        the commit of the build context; not in PATH
                                 and -f
  .DockerfileHash                changes with Dockerfile, build arguments and
                                 target; in -t and --label
  .GraphHash                     changes exactly when what is built changes, by
                                 what the builder tells; in -t, --output,
                                 --cache-to and --metadata-file
  functions                      lower upper replace trunc slug trimPrefix ...

Every flag can be set by a variable: --batch-size by STOKER_BATCH_SIZE. One that
can be given several times takes one value per line.

Exit codes: 0 all built or skipped; 1 some job failed; 2 wrong usage or
unreadable input; 3 no builder could be reached; 130 interrupted.`,
		Example: `  stoker build --images bases.txt -f agent/Dockerfile --push \
    -t 'registry.example/agent:{{.Name}}' --workers 4 ./agent
  stoker build --rows tasks.jsonl --build-arg 'VERSION={{.version}}' --push \
    -t 'registry.example/{{.repo | lower}}:{{.id}}' 'tasks/{{.id}}'
  stoker build --each 'tasks/*/Dockerfile' --push \
    -t 'registry.example/tasks/{{.Name}}' '{{.Dir}}'`,
		SuggestFor:        []string{"run", "make", "start", "resume"},
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
	o.call.addTo(cmd.Flags())
	cmd.Flags().BoolVar(&o.run.checkFirst, "check-first", false, "do what \"stoker check\" does first, and build nothing when it finds a fault")
	return cmd
}

func runBuild(ctx context.Context, o buildOptions, streams Streams) error {
	if err := errors.Join(o.call.read(), o.check()); err != nil {
		return err
	}
	p, err := o.input.plan(streams.In, o.builder.insecure, o.run.outputDir)
	if err != nil {
		return err
	}
	return buildPlan(ctx, p, o, streams)
}

// buildPlan does with a plan what the flags say, and closes it.
func buildPlan(ctx context.Context, p *plan.Plan, o buildOptions, streams Streams) error {
	defer p.Close()
	if o.run.dryRun {
		return printJobs(streams.Out, p)
	}
	if o.call.Asks() {
		return ask(ctx, p.Jobs, o, streams)
	}
	if err := p.CheckOutputs(); err != nil {
		return err
	}
	if err := o.checkWrites(p); err != nil {
		return err
	}
	if err := errors.Join(o.input.prepareFiles(p), o.run.prepareMetrics()); err != nil {
		return err
	}
	return execute(ctx, p, o, streams)
}

// printJobs writes the jobs in order with their tags.
func printJobs(w io.Writer, p *plan.Plan) error {
	for _, note := range append(slices.Clip(p.Notes), p.HashNote()) {
		if note != "" {
			fmt.Fprintf(w, "# %s\n", visible.Line(note))
		}
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
