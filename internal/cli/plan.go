package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/advice"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/visible"
)

// mostNodes is more than anybody has.
const mostNodes = 1000

// nodesFlag is some numbers of nodes.
type nodesFlag []int

func (f *nodesFlag) Set(text string) error {
	var nodes nodesFlag
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 || n > mostNodes {
			return fmt.Errorf("%q: numbers of nodes from 1 to %d are needed, such as 1,2,4", text, mostNodes)
		}
		nodes = append(nodes, n)
	}
	*f = nodes
	return nil
}

func (f *nodesFlag) String() string {
	var parts []string
	for _, n := range *f {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ",")
}

func (f *nodesFlag) Type() string { return "1,2,4" }

func newPlan(streams Streams) *cobra.Command {
	var o buildOptions
	var format string
	var nodes nodesFlag
	cmd := &cobra.Command{
		Use:   "plan {--images | --rows | --each} INPUT -t TEMPLATE [flags] PATH",
		Short: "Tell what build would do: order, shared layers, whether it fits",
		Long: `Tell what "stoker build" with the same flags would do, and build nothing.

The forecast simulates the order, the sweeps and the admission of the run. What
a job adds to the cache is known from earlier runs of the same Dockerfile, or
from --job-size; else it is taken as half of what its base image takes.`,
		Example: `  stoker plan --images bases.txt -t 'registry.example/agent:{{.Name}}' ./agent
  stoker plan --images bases.txt --cache-budget 20GB --format json ./agent
  stoker plan --images bases.txt --nodes 1,2,4,8 ./agent`,
		Args:              cobra.ArbitraryArgs, // variables may set flags that come first
		ValidArgsFunction: completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.input.take(args); err != nil {
				return err
			}
			if err := checkFormat(format); err != nil {
				return err
			}
			return runPlan(cmd.Context(), o, nodes, format, streams)
		},
	}
	o.input.addTo(cmd.Flags())
	o.builder.addTo(cmd.Flags())
	o.run.addTo(cmd.Flags())
	o.prune.addTo(cmd.Flags())
	o.space.addTo(cmd.Flags())
	cmd.Flags().Var(&nodes, "nodes", "tell what the run would come to on so many nodes, such as `1,2,4`")
	addFormat(cmd, &format)
	cmd.Flags().Lookup("dry-run").Usage = "is always so: plan builds nothing"
	return cmd
}

func runPlan(ctx context.Context, o buildOptions, nodes []int, format string, streams Streams) error {
	if err := o.check(); err != nil {
		return err
	}
	p, err := o.input.plan(streams.In, o.builder.insecure, o.run.outputDir)
	if err != nil {
		return err
	}
	return forecast(ctx, p, o, nodes, format, streams)
}

// forecast tells what building a plan would come to, and closes it.
func forecast(ctx context.Context, p *plan.Plan, o buildOptions, nodes []int, format string, streams Streams) (err error) {
	defer p.Close()
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return err
	}
	defer done()
	options := o.options(p)
	var mirrors builder.Mirrors
	o.builder.credentials.Secret = options.Redact.Add
	b, err := o.builder.connect(ctx, streams.Err, p.Registries())
	switch {
	case err == nil:
		defer b.Close()
		tellMissing(streams.Err, b, isLeftOut)
		mirrors = b.Mirrors()
		o.askBuilder(&options, b)
		if err := checkWithFrontend(ctx, p, b); err != nil {
			return err
		}
		if err := o.fillHashes(ctx, p, b, streams.Err); err != nil {
			return err
		}
	case len(o.builder.names) > 0 || !errors.As(err, new(*builder.UnreachableError)):
		return err
	default:
		fmt.Fprintf(streams.Err, "warning: no builder could be reached, so that what it has cached is not known (%s)\n", visible.Line(lastTried(err)))
		if options.Space.DiskPath == "" {
			// A private builder would keep its cache here.
			options.Space.DiskPath = existing(o.builder.stateDir)
		}
	}
	client, err := o.builder.registries(mirrors)
	if err != nil {
		return err
	}
	o.askRegistries(&options, client)
	if b != nil {
		options.Link = o.linker(p, b, client)
	}
	if options.Graphs == nil {
		options.Graphs = builder.Offline{Config: client.Config}
	}
	shown := options.Journal.Subscribe(journal.Everything, show.Forecasting(streams.Err))
	planned, err := run.Forecast(ctx, options, nodes, ledger.ReadLearned(o.builder.stateDir, p.Kind()).Pace)
	_ = shown.Close(show.Patience) // before the plan; who does not read it gets the plan all the same
	if err != nil {
		return &runError{err}
	}
	found := advice.Of(advice.Given{Jobs: toBuild(p, planned), Steps: planned.Steps, Bases: planned.Bases, Learned: ledger.ReadLearnedSteps(o.builder.stateDir, p.Kind()), PullBytes: planned.Forecast.PullBytes, Keeps: planned.Keeps})
	for i := range found {
		found[i].Redact(options.Redact.String)
	}
	if format == formatJSON {
		return writeJSON(streams.Out, plannedAdvice{planned, found})
	}
	if note := p.HashNote(); note != "" {
		p.Notes = append(p.Notes, note)
	}
	if p.CheckOutputs() != nil {
		p.Notes = append(p.Notes, "nothing says where the images are to go: build will need --push, --load or --output")
	}
	return show.Planned(streams.Out, p.Notes, planned, found)
}

// toBuild are the jobs of a plan that are to be built.
func toBuild(p *plan.Plan, planned run.Planned) []*plan.Job {
	left := map[string]bool{}
	for _, j := range planned.Jobs {
		left[j.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(p.Jobs), func(j *plan.Job) bool { return !left[j.Name] })
}

// plannedAdvice is a plan as programs read it.
type plannedAdvice struct {
	run.Planned
	Advice []advice.Advice `json:"advice"`
}

// lastTried is why the last builder that was tried could not be reached.
func lastTried(err error) string {
	var unreachable *builder.UnreachableError
	if !errors.As(err, &unreachable) || len(unreachable.Tried) == 0 {
		return err.Error()
	}
	return unreachable.Tried[len(unreachable.Tried)-1]
}
