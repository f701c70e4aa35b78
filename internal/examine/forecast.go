package examine

import (
	"context"
	"fmt"

	"github.com/stoker-build/stoker/internal/advice"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/visible"
)

// forecast asks what the builds of the jobs would do that have no fault so far, and whether
// that fits.
func (e *examination) forecast(ctx context.Context, open []*plan.Job) {
	askable, untold := map[string]bool{}, 0
	for _, j := range open {
		askable[j.Name] = e.isAskable(j.Name)
		if !askable[j.Name] && !e.isFaulty(j.Name) {
			untold++
		}
	}
	if untold > 0 {
		e.unknown(check.Space, fmt.Sprintf("whether there is space for %s: the base images are not known", plural.Of(untold, "job")))
	}
	p := e.Plan.Only(func(j *plan.Job) bool { return askable[j.Name] })
	if len(p.Jobs) == 0 {
		return
	}
	planned, err := e.Forecast(ctx, p)
	if err != nil {
		e.unknown(check.Space, "whether the images fit: "+visible.FirstLine(err.Error()))
		return
	}
	for _, j := range planned.Jobs {
		e.problem(j)
	}
	for _, f := range demands(ctx, p.Jobs, planned.Jobs) {
		e.add(f)
	}
	for _, a := range advice.Of(advice.Given{Jobs: p.Jobs, Steps: planned.Steps, Bases: planned.Bases, Learned: e.Learned, PullBytes: planned.Forecast.PullBytes, Keeps: planned.Keeps}) {
		e.add(advised(a))
	}
	for _, f := range fits(planned, e.PreflightFree, e.FreeForeign) {
		e.add(f)
	}
}

// problem makes what the builder says of a job a finding.
func (e *examination) problem(j run.PlannedJob) {
	f := check.Finding{Kind: check.Build, Jobs: []string{j.Name}, Text: j.Problem}
	switch {
	case j.Problem == "" && j.Unknown == "":
		return
	case j.Problem == "":
		e.unknown(check.Build, "what the build does: "+visible.FirstLine(j.Unknown), j.Name)
		return
	}
	f.Severity = check.Fault
	if why := j.Failure; why != nil {
		if maker, ref := madeBy(e.makers, why.Message); maker != nil && builder.PresenceOf(why.Why) == builder.Missing {
			e.unknown(check.Build, notYet("what the build does", ref, maker), j.Name)
			return
		}
		f.Text = why.Why + ": " + why.Message
		if why.File != "" {
			f.Places = []check.Place{{File: why.File, Line: why.Line}}
		}
		presence := builder.PresenceOf(why.Why)
		if ref := absentOf(why.Message); presence != builder.Untold && ref != "" {
			e.lacks(ref, builder.ImageAnswer{Presence: presence, Why: why.Message}, f)
			return
		}
	}
	e.add(f)
}

// fits makes a forecast findings.
func fits(p run.Planned, preflight int64, freed bool) (found []check.Finding) {
	note := func(s check.Severity, hint, format string, args ...any) {
		found = append(found, check.Finding{Severity: s, Kind: check.Space, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	f, free := p.Forecast, p.Limit.High-p.UsedBytes
	if p.Bound == "" {
		note(check.Unknown, "name the disk with --disk-path, or give --cache-budget", "whether the images fit: no bound of the cache is known")
		return found
	}
	if f.Unknown > 0 {
		note(check.Unknown, "", "whether there is space for %s: what is built is not known", plural.Of(f.Unknown, "job"))
	}
	if preflight > 0 && preflight > free {
		severity := check.Fault
		if freed {
			severity = check.Warning
		}
		note(severity, "", "%s has %s free below its limit of %s, and --preflight-free asks for %s",
			p.Bound, bytesize.Text(max(free, 0)), bytesize.Text(p.Limit.High), bytesize.Text(preflight))
	}
	switch {
	case f.Jobs > 0 && !f.Fits:
		severity, guess := check.Fault, ""
		if f.Guessed > 0 {
			severity, guess = check.Warning, ", by a guess of what jobs add"
		}
		note(severity, "give it a larger disk or budget, or tell with --job-size what a job adds", "%s is too small: at least %s are needed at once%s, and its limit is %s",
			p.Bound, bytesize.Text(f.SmallestBytes), guess, bytesize.Text(p.Limit.High))
	case free < p.Limit.High/10:
		note(check.Warning, "", "%s is nearly full: %s are used, and the limit is %s", p.Bound, bytesize.Text(p.UsedBytes), bytesize.Text(p.Limit.High))
	}
	return found
}

// notYet says what cannot be known before another job of the plan is built.
func notYet(what, ref string, maker *plan.Job) string {
	return fmt.Sprintf("%s: the image %s is made by the job %s, and not there yet", what, ref, maker.Name)
}
