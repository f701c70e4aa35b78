package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/bake"
	"github.com/stoker-build/stoker/internal/call"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/visible"
)

// callOptions are the flags that have frontends asked about Dockerfiles.
type callOptions struct {
	text  string
	check bool
	call.Request
	targets *bake.Resolved // that the jobs are of; nil where these are of no bake file
}

func (o *callOptions) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.text, "call", "build", "`build`, or ask about Dockerfiles and build nothing: check, outline or targets; with ,format=json for JSON")
	f.BoolVar(&o.check, "check", false, "short for --call=check: print what the builder finds in Dockerfiles")
}

// read reads what is asked.
func (o *callOptions) read() (err error) {
	if o.check {
		o.text = "check"
	}
	if o.Request, err = call.Parse(o.text); err != nil {
		return &flagError{fmt.Errorf("--call %q: %w", o.text, err)}
	}
	return nil
}

// takeAsked takes out of a plan the jobs that are only asked about, and returns them.
func takeAsked(p *plan.Plan) (asked []*plan.Job) {
	p.Jobs = slices.DeleteFunc(p.Jobs, func(j *plan.Job) bool {
		is := j.Options.CallFunc != nil
		if is {
			asked = append(asked, j)
		}
		return is
	})
	return asked
}

// ask has the builder's frontends answer what is asked about jobs, and prints that. As
// with docker buildx, what a check finds is a failure.
func ask(ctx context.Context, jobs []*plan.Job, o buildOptions, streams Streams) error {
	if o.call.Asks() {
		jobs = plan.WithLinked(jobs) // each target has a Dockerfile of its own
	}
	secrets := o.redactor(&plan.Plan{Jobs: jobs})
	all, err := o.answers(ctx, jobs, secrets, streams)
	if err != nil {
		return err
	}
	text, failed, err := o.call.shown(all)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(streams.Out, visible.Lines(secrets.String(text))); err != nil {
		return &runError{err}
	}
	if failed {
		return &exitError{ExitFailed}
	}
	return nil
}

// answers asks about jobs.
func (o buildOptions) answers(ctx context.Context, jobs []*plan.Job, secrets *redact.Redactor, streams Streams) (all []call.Asked, err error) {
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return nil, err
	}
	defer done()
	o.builder.credentials.Secret = secrets.Add
	b, err := o.builder.connect(ctx, streams.Err, (&plan.Plan{Jobs: jobs}).Registries())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	fmt.Fprintf(streams.Err, "reading the Dockerfiles of %s\n", plural.Of(len(jobs), "job"))
	all = make([]call.Asked, len(jobs))
	var group errgroup.Group
	group.SetLimit(o.run.workers)
	for i, job := range jobs {
		a := &all[i]
		*a = o.call.about(job)
		group.Go(func() error {
			if ctx.Err() == nil {
				a.Answer, a.Err = b.Call(ctx, job, a.Question)
			}
			return nil
		})
	}
	_ = group.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, nil
}

// about says what is asked about a job: by the flags, or else by its target.
func (o callOptions) about(job *plan.Job) call.Asked {
	a := call.Asked{Name: job.Name, File: job.Source.Name(), Question: o.Name}
	if !o.Asks() {
		a.Question = job.Options.CallFunc.Name
	}
	if o.targets != nil {
		a.Description = o.targets.Description(job.Name)
	}
	return a
}

// shown is how answers are shown.
func (o callOptions) shown(all []call.Asked) (text string, failed bool, err error) {
	if !o.JSON {
		text, failed = call.Text(all, o.IgnoreStatus)
		return text, failed, nil
	}
	var document call.Document
	if o.targets != nil {
		document = o.targets.Document()
	}
	failed = document.Add(all, o.IgnoreStatus)
	data, err := json.MarshalIndent(document, "", "  ")
	return string(data) + "\n", failed, err
}
