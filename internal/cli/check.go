package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/containerd/platforms"
	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/annotate"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/examine"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/run"
)

// The formats of a check's report, beside JSON.
const (
	formatText     = "text"
	formatMarkdown = "markdown"
	formatJUnit    = "junit"
	formatSARIF    = "sarif"
)

var checkFormats = []string{formatText, formatJSON, formatMarkdown, formatJUnit, formatSARIF}

// failingOn are the words of --fail-on, from the worst on.
var failingOn = []string{string(check.Fault), string(check.Warning), string(check.Advice)}

func newCheck(streams Streams) *cobra.Command {
	var o buildOptions
	var t telling
	cmd := &cobra.Command{
		Use:   "check {--images | --rows | --each} INPUT -t TEMPLATE [flags] PATH",
		Short: "Tell all that would go wrong with a build, before it begins",
		Long: `Tell what would go wrong with "stoker build", and build nothing.

It takes the flags of build, asks the builder for each base image once, and has
it check each Dockerfile once. Registries are asked which images exist, whether
pushing is allowed, and how much may still be pulled. A forecast tells whether
all fits. What Dockerfiles copy is looked for in contexts on this machine. Each
fault is told once, with the jobs that have it; what could not be found out is
said to be not known. Jobs whose images exist are not looked at without --force.

Advice tells what would be cheaper, and what it costs by what earlier runs have
seen; the three dearest are told, and all with --format json or sarif.

Exit codes: 0 no fault, 1 some fault, 2 wrong usage of flags, 130 interrupted.
Warnings, advice, and what is not known are no faults, but by --fail-on.`,
		Example: `  stoker check --each 'tasks/*/Dockerfile' --push \
    -t 'registry.example/tasks/{{.Name}}' '{{.Dir}}'
  stoker check --images bases.txt -t 'registry.example/agent:{{.Name}}' --push \
    --format junit ./agent > check.xml`,
		SuggestFor:        []string{"lint", "validate", "verify", "preflight"},
		Args:              cobra.ArbitraryArgs, // variables may set flags that come first
		ValidArgsFunction: completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.check(); err != nil {
				return err
			}
			if err := o.input.take(args); err != nil {
				return err
			}
			return runCheck(cmd.Context(), o, t, streams)
		},
	}
	o.input.addTo(cmd.Flags())
	o.builder.addTo(cmd.Flags())
	o.run.addTo(cmd.Flags())
	o.prune.addTo(cmd.Flags())
	o.space.addTo(cmd.Flags())
	t.addTo(cmd)
	cmd.Flags().Lookup("dry-run").Usage = "is always so: check builds nothing"
	return cmd
}

// telling says how a report is told.
type telling struct {
	format, failOn string
	began          time.Time
	version        string
}

func (t *telling) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.format, "format", formatText, "how the check is printed: text, json, markdown, junit or sarif")
	cmd.Flags().StringVar(&t.failOn, "fail-on", failingOn[0], "the check exits with 1 on a `fault`, on a warning too, or on advice too")
	_ = cmd.RegisterFlagCompletionFunc("format", oneOfThese(checkFormats...)) // there are such flags
	_ = cmd.RegisterFlagCompletionFunc("fail-on", oneOfThese(failingOn...))
}

// check finds words that are none of the flags'.
func (t *telling) check() error {
	switch {
	case !slices.Contains(checkFormats, t.format):
		return &flagError{fmt.Errorf("--format %q: use text, json, markdown, junit or sarif", t.format)}
	case !slices.Contains(failingOn, t.failOn):
		return &flagError{fmt.Errorf("--fail-on %q: use fault, warning or advice", t.failOn)}
	}
	return nil
}

func runCheck(ctx context.Context, o buildOptions, t telling, streams Streams) error {
	t.began, t.version = time.Now(), streams.Version
	if err := o.check(); err != nil {
		return err
	}
	p, err := o.input.plan(streams.In, o.builder.insecure, o.run.outputDir)
	return o.checkPlan(ctx, p, err, t, streams)
}

// checkPlan tells what would go wrong with a plan, or what is wrong with the input that none
// could be made of, and closes it.
func (o buildOptions) checkPlan(ctx context.Context, p *plan.Plan, err error, t telling, streams Streams) error {
	switch {
	case errors.As(err, new(*flagError)), errors.As(err, new(*builder.UnreachableError)), err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		var report check.Report
		report.TakeInput(err)
		return t.tell(&report, o.redactor(&plan.Plan{}).String, streams)
	}
	defer p.Close()
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return err
	}
	defer done()
	secrets := o.redactor(p)
	o.builder.credentials.Secret = secrets.Add
	fmt.Fprintf(streams.Err, "checking %s\n", plural.Of(len(p.Jobs), "job"))
	b, err := o.builder.connect(ctx, streams.Err, p.Registries())
	var mirrors builder.Mirrors
	switch {
	case err == nil:
		defer b.Close()
		tellMissing(streams.Err, b, isLeftOut)
		mirrors = b.Mirrors()
	case !errors.As(err, new(*builder.UnreachableError)):
		return err
	}
	client, clientErr := o.builder.registries(mirrors)
	if clientErr != nil {
		return clientErr
	}
	report, err := o.examine(ctx, p, b, err, client)
	if err != nil {
		return err
	}
	return t.tell(report, secrets.String, streams)
}

// examine finds out what would go wrong with a plan. The builder is nil where none could
// be reached.
func (o buildOptions) examine(ctx context.Context, p *plan.Plan, b *builder.Builder, unreached error, client *registry.Client) (*check.Report, error) {
	e := examine.Options{Plan: p, Learned: ledger.ReadLearnedSteps(o.builder.stateDir, p.Kind()), Unreached: unreached, Platform: platforms.DefaultSpec(), Registry: client, Force: o.run.force,
		PreflightFree: o.space.preflight.bytes, FreeForeign: o.prune.foreign,
		Writes: slices.Concat([]plan.Written{{Flag: "--output-dir", Path: o.run.outputDir}}, p.Writes(), o.input.reports(p))}
	if b != nil {
		e.Builder, e.Platform = b, b.Nodes()[0].Platform()
		e.Forecast = func(ctx context.Context, p *plan.Plan) (run.Planned, error) {
			options := o.options(p)
			o.askRegistries(&options, client)
			options.Registries.Tags = nil // these jobs' are known not to be there
			o.askBuilder(&options, b)
			options.Link = o.linker(p, b, client)
			return run.Forecast(ctx, options, nil, ledger.Pace{})
		}
	}
	report := examine.Plan(ctx, e)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, err := range []error{p.CheckOutputs(), o.checkWrites(p), o.input.checkImageID(p)} {
		if errors.As(err, new(*flagError)) {
			return nil, err
		}
		if err != nil {
			report.Add(check.OfInput(check.Output, err)...)
		}
	}
	return report, nil
}

// tell prints a report; faults end the command with their exit code.
func (t telling) tell(r *check.Report, rewrite func(string) string, streams Streams) error {
	r.FailOn = check.Severity(t.failOn)
	if err := t.write(streams.Out, r, rewrite); err != nil {
		return &runError{err}
	}
	annotateCheck(streams.Err, r, rewrite)
	if r.Failed() {
		return &exitError{ExitFailed}
	}
	return nil
}

func (t telling) write(w io.Writer, r *check.Report, rewrite func(string) string) error {
	var text string
	switch t.format {
	case formatJSON:
		return writeJSON(w, r.Document(rewrite))
	case formatMarkdown:
		text = r.Markdown(rewrite)
	case formatJUnit:
		xml, err := r.JUnit(t.began, time.Since(t.began), rewrite)
		if err != nil {
			return err
		}
		text = string(xml)
	case formatSARIF:
		dir, _ := os.Getwd() // files are only named by their paths without it
		return writeJSON(w, r.SARIF(t.version, dir, rewrite))
	default:
		text = r.Text(rewrite)
	}
	_, err := io.WriteString(w, text)
	return err
}

// annotateCheck has GitHub show what was found, where it runs the command.
func annotateCheck(w io.Writer, r *check.Report, rewrite func(string) string) {
	if !onGitHub() {
		return
	}
	dir, _ := os.Getwd() // files are only named by their paths without it
	// What it tells is on standard output, too.
	_ = annotate.Print(w, annotate.Commands(r.Annotations(rewrite), os.Getenv("GITHUB_WORKSPACE"), dir)...)
}

// checkFirst ends a build before it begins where it would not end well.
func (o buildOptions) checkFirst(ctx context.Context, p *plan.Plan, b *builder.Builder, client *registry.Client, rewrite func(string) string, w io.Writer) error {
	report, err := o.examine(ctx, p, b, nil, client)
	if err != nil {
		return err
	}
	report = report.Wrong()
	fmt.Fprint(w, report.List(rewrite))
	annotateCheck(w, report, rewrite)
	if !report.Failed() {
		return nil
	}
	fmt.Fprintf(w, "\n%s\nnothing was built, since --check-first is set\n", report.Headline())
	return &exitError{ExitFailed}
}
