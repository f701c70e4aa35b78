package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	buildx "github.com/docker/buildx/bake"
	"github.com/docker/buildx/util/buildflags"
	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/bake"
	"github.com/stoker-build/stoker/internal/call"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/visible"
)

// checkFlags finds flags that make no sense.
func (o *bakeOptions) checkFlags() error {
	if err := o.call.read(); err != nil {
		return err
	}
	hasRows := o.input.images != "" || o.input.rows != "" || o.input.each != ""
	switch {
	case o.print && o.list != "", o.plan && (o.print || o.list != ""):
		return &flagError{errors.New("--print, --list and --plan print different things: give one of them")}
	case wasTyped(o.flags.Lookup("format")) && o.call.Asks():
		return &flagError{fmt.Errorf("--format is that of what --check-only prints: for JSON give --call %s,format=json", call.PersonsName(o.call.Name))}
	case wasTyped(o.flags.Lookup("format")) && !o.checkOnly:
		return &flagError{errors.New("--format is that of what --check-only prints: give both")}
	case wasTyped(o.flags.Lookup("fail-on")) && !o.checkOnly:
		return &flagError{errors.New("--fail-on says when --check-only exits with 1: give both")}
	case hasRows && o.rowsVar == "":
		return &flagError{errors.New("--rows-var NAME is needed: it names the variable of the bake file that the rows fill")}
	case !hasRows && o.rowsVar != "":
		return &flagError{errors.New("--rows-var says which variable the rows fill: give the rows, with --rows FILE")}
	case !hasRows && (o.input.where != "" || o.input.selectFile != "" || o.input.sample != 0 || o.input.limit != 0):
		return &flagError{errors.New("--where, --select, --sample and --limit choose rows: give these with --rows FILE, or name targets instead")}
	}
	if err := o.telling.check(); err != nil {
		return err
	}
	return o.check()
}

// question is what the flags ask of bake files.
func (o *bakeOptions) question(targets []string, streams Streams) (q bake.Question, err error) {
	q = bake.Question{Files: o.files, Stdin: streams.In, Targets: targets, Overrides: o.overrides(), Allow: o.allow, RowsVar: o.rowsVar, Listing: o.list != "", Fetch: o.fetch(streams.Err)}
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

// fetch has the builder read bake files that are not on this machine. The one that builds
// is connected to later: which registries it needs is not known yet.
func (o *bakeOptions) fetch(w io.Writer) bake.Fetch {
	return func(ctx context.Context, url string, names []string) (files []buildx.File, in *buildx.Input, err error) {
		secrets := redact.New(os.Getenv("BUILDX_BAKE_GIT_AUTH_TOKEN"), os.Getenv("BUILDX_BAKE_GIT_AUTH_HEADER"))
		shown := secrets.String(url)
		settings := o.builder
		done, err := settings.openState(w)
		if err != nil {
			return nil, nil, err
		}
		defer done()
		b, err := settings.connect(ctx, w, nil)
		if err != nil {
			return nil, nil, err
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		fmt.Fprintf(w, "reading the bake files of %s\n", visible.Line(shown))
		files, in, err = b.Definitions(ctx, url, names)
		if err != nil && ctx.Err() == nil {
			err = &plan.InputError{What: shown, Problems: []string{secrets.String(err.Error())}, Hint: howToFetch(err)}
		}
		return files, in, err
	}
}

// howToFetch says what to do where bake files that are elsewhere could not be read.
func howToFetch(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "could not read Username"), strings.Contains(text, "Authentication failed"):
		return "for a private repository set BUILDX_BAKE_GIT_AUTH_TOKEN to a token that may read it, or BUILDX_BAKE_GIT_AUTH_HEADER to the header that does"
	case strings.Contains(text, "no SSH key"):
		return "it is read with the keys of an SSH agent: add one with ssh-add, or set BUILDX_BAKE_GIT_SSH to the path of a key"
	}
	return "it is read by the builder, which must reach it; a repository's address ends with .git, or .git#REF:DIRECTORY"
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
	add(o.call.Asks(), "*.call="+o.call.Name)
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
	definition, err := bake.Read(cmd.Context(), bake.Question{Files: files, Stdin: strings.NewReader(""), Listing: true})
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

// show lists or prints what bake files say.
func (o *bakeOptions) show(ctx context.Context, question bake.Question, streams Streams) (err error) {
	defer func() { err = keepFrom(err, rowSecrets(question.Rows)) }()
	definition, err := bake.Read(ctx, question)
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
	return resolved.Print(streams.Out)
}

// planOf makes the plan of what bake files say. It must be closed.
func (o *bakeOptions) planOf(ctx context.Context, question bake.Question) (_ *bake.Resolved, _ *plan.Plan, err error) {
	secrets := rowSecrets(question.Rows)
	defer func() { err = keepFrom(err, secrets) }()
	definition, err := bake.Read(ctx, question)
	if err != nil {
		return nil, nil, err
	}
	o.input.definitions = definition.Paths()
	resolved, err := definition.Resolve(ctx)
	if err != nil {
		return nil, nil, err
	}
	compression, err := o.input.compressed()
	if err != nil {
		return nil, nil, err
	}
	p, err := resolved.Plan(plan.TargetSpec{Record: o.run.outputDir, MetadataFile: o.input.metadataFile, InsecureRegistries: o.builder.insecure, Compression: compression,
		BatchSize: o.input.batchSize, Shard: o.input.shard})
	if err != nil {
		return nil, nil, err
	}
	p.Notes, p.Secrets = append(p.Notes, question.Rows.Notes...), secrets
	return resolved, p, nil
}
