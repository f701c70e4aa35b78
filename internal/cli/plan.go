package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/engine"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/show"
	"github.com/stoker-build/stoker/internal/visible"
)

func newPlan(streams Streams) *cobra.Command {
	var o buildOptions
	var format string
	cmd := &cobra.Command{
		Use:   "plan {--images FILE | --rows FILE} -t TEMPLATE [flags] PATH",
		Short: "Tell what build would do: order, shared layers, whether it fits",
		Long: `Tell what "stoker build" with the same flags would do, and build nothing.

The forecast simulates the order, the sweeps and the admission of the run. What
a job adds to the cache is known from earlier runs of the same Dockerfile, or
from --job-size; else it is taken as half of what its base image takes.`,
		Example: `  stoker plan --images bases.txt -t 'registry.example/agent:{{.Name}}' ./agent
  stoker plan --images bases.txt --cache-budget 20GB --format json ./agent`,
		Args:              cobra.ArbitraryArgs, // variables may set flags that come first
		ValidArgsFunction: completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.input.take(args); err != nil {
				return err
			}
			if err := checkFormat(format); err != nil {
				return err
			}
			return runPlan(cmd.Context(), o, format, streams)
		},
	}
	o.input.addTo(cmd.Flags())
	o.builder.addTo(cmd.Flags())
	o.run.addTo(cmd.Flags())
	o.prune.addTo(cmd.Flags())
	o.space.addTo(cmd.Flags())
	addFormat(cmd, &format)
	cmd.Flags().Lookup("dry-run").Usage = "is always so: plan builds nothing"
	return cmd
}

func runPlan(ctx context.Context, o buildOptions, format string, streams Streams) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	p, err := o.input.plan(streams.In, o.builder.insecure)
	if err != nil {
		return err
	}
	defer p.Close()
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return err
	}
	defer done()
	options, err := o.engine(p)
	if err != nil {
		return err
	}
	limits := &registry.Limits{}
	options.Limits = limits.All
	o.builder.secret = options.Redact.Add
	b, err := o.builder.connect(ctx, p.Registries())
	switch {
	case err == nil:
		defer b.Close()
		options.BuilderName, options.LayerSizes = b.Name(), o.builder.sizes(b.Mirrors(), limits).Of
		options.Builder, options.Graphs, options.Nodes, options.Prune.Owner = b, b, engineNodes(b), o.prune.owner(b)
		if err := checkWithFrontend(ctx, p, b); err != nil {
			return err
		}
	case o.builder.name != "" || !errors.As(err, new(*builder.UnreachableError)):
		return err
	default:
		fmt.Fprintf(streams.Err, "warning: no builder could be reached, so that what it has cached is not known (%s)\n", visible.Line(lastTried(err)))
		options.LayerSizes = o.builder.sizes(builder.Mirrors{}, limits).Of
		if options.Space.DiskPath == "" {
			// A private builder would keep its cache here.
			options.Space.DiskPath = existing(o.builder.stateDir)
		}
	}
	options.Journal = journal.New()
	shown := options.Journal.Subscribe(journal.Everything, show.Forecasting(streams.Err))
	planned, err := engine.Forecast(ctx, options)
	_ = shown.Close(show.Patience) // before the plan; who does not read it gets the plan all the same
	if err != nil {
		return &runError{err}
	}
	if format == "json" {
		return writeJSON(streams.Out, planned)
	}
	if p.CheckOutputs() != nil {
		p.Notes = append(p.Notes, "nothing says where the images are to go: build will need --push, --load or --output")
	}
	return printPlanned(streams.Out, p, planned)
}

// lastTried is why the last builder that was tried could not be reached.
func lastTried(err error) string {
	var unreachable *builder.UnreachableError
	if !errors.As(err, &unreachable) || len(unreachable.Tried) == 0 {
		return err.Error()
	}
	return unreachable.Tried[len(unreachable.Tried)-1]
}

// printPlanned writes a forecast for people.
func printPlanned(w io.Writer, p *plan.Plan, f engine.Planned) error {
	for _, note := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", visible.Line(note))
	}
	failing := 0
	for i, j := range f.Jobs {
		if i == 0 || f.Jobs[i-1].Batch != j.Batch {
			fmt.Fprintf(w, "batch %d\n", j.Batch)
		}
		fmt.Fprintf(w, "  %s  %s\n", j.Name, strings.Join(j.Tags, " "))
		if j.Problem != "" {
			fmt.Fprintf(w, "    will fail: %s\n", visible.Line(j.Problem))
			failing++
		}
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	batches := "1 batch"
	if f.Batches != 1 {
		batches = fmt.Sprintf("%d batches", f.Batches)
	}
	row("jobs", "%d in %s, %s, %d skipped", len(f.Jobs), batches, count(f.Workers, "worker"), f.Skipped)
	if failing > 0 {
		row("will fail", "%s, as said above; no figure below counts them", count(failing, "job"))
	}
	if n := f.Forecast.Unknown; n > 0 {
		row("unknown", "what %s; no figure below counts them", jobsDo(n))
	}
	if f.Forecast.Jobs > 0 {
		printForecast(row, f)
	}
	if f.Bound == "" {
		row("fits", "no bound is known: name the disk with --disk-path, or give --cache-budget")
	} else {
		row("bound", "%s", boundText(f))
		row("fits", "%s", fits(f))
	}
	return t.Flush()
}

// boundText says what bounds the cache, and what is used of that now, by whom.
func boundText(f engine.Planned) string {
	text := fmt.Sprintf("%s: limit %s, %s used", f.Bound, human(f.Limit.High), human(f.UsedBytes))
	if f.OtherBytes > 0 {
		text += fmt.Sprintf(", %s of it not by the cache", human(f.OtherBytes))
	}
	return text
}

// jobsDo says of how many jobs something is said.
func jobsDo(n int) string {
	if n == 1 {
		return "1 job does"
	}
	return fmt.Sprintf("%d jobs do", n)
}

// printForecast writes how the cache will grow and shrink.
func printForecast(row func(name, format string, args ...any), f engine.Planned) {
	c := f.Forecast
	row("pull", "%s; sharing layers saves %s", human(c.PullBytes), human(c.SharedBytes))
	switch {
	case c.Guessed > 0:
		row("a job adds", "not known yet; %s assumed", human(c.GuessedBytes))
	case c.Rates.Own > 0:
		row("a job adds", "about %s of its own", human(c.Rates.Own))
	}
	cached := func(bytes int64) string { return human(bytes - f.OtherBytes) }
	row("peak", "%s of cache with %s; %s if nothing were removed", cached(c.PeakBytes), count(f.Workers, "worker"), cached(c.TotalBytes))
	row("least", "%s of cache for %s in this order, %s for one", cached(c.LeastBytes), count(f.Workers, "worker"), cached(c.SmallestBytes))
	row("use", "%s", sparkline(c.Curve))
}

func fits(f engine.Planned) string {
	c := f.Forecast
	switch {
	case c.Jobs+c.Unknown == 0:
		return "nothing is to be built"
	case !c.Fits:
		return fmt.Sprintf("no: at least %s of cache are needed, and %s are allowed", human(c.SmallestBytes-f.OtherBytes), human(f.Limit.High-f.OtherBytes))
	case c.Unknown > 0 && c.Jobs > 0:
		return fmt.Sprintf("unknown for %d of the jobs; the others fit", c.Unknown)
	case c.Unknown > 0:
		return fmt.Sprintf("unknown for %s", count(c.Unknown, "job"))
	case c.Waits > 0:
		return fmt.Sprintf("yes; workers will wait for space about %d times", c.Waits)
	}
	return "yes"
}

func human(bytes int64) string { return bytesize.Text(bytes) }

// sparkline draws a curve in one line of at most 60 characters.
func sparkline(curve []int64) string {
	const width, bars = 60, "▁▂▃▄▅▆▇█"
	if len(curve) == 0 {
		return ""
	}
	most := max(slices.Max(curve), 1)
	steps := []rune(bars)
	var b strings.Builder
	for i := range min(len(curve), width) {
		v := curve[i*len(curve)/min(len(curve), width)]
		b.WriteRune(steps[int(v*int64(len(steps)-1)/most)])
	}
	return b.String()
}
