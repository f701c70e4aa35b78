package examine

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/visible"
)

// otherPlatform is BuildKit's rule about what is told of images already.
const otherPlatform = "InvalidBaseImagePlatform"

const lintSays = "what BuildKit's checks of the Dockerfile say"

// linted is a job whose Dockerfile is checked, and the names of those of the plan for which
// that is told: itself or, where it is no job of the plan, those that are built on it.
type linted struct {
	*plan.Job
	names []string
}

// lintedOf are the jobs, and those that they are built on in the same build, by their kinds.
func lintedOf(open []*plan.Job) (kinds [][]linted) {
	upon, place := uponOf(open), map[string]int{}
	for _, j := range open {
		upon[j] = []string{j.Name}
	}
	for _, j := range plan.WithLinked(open) {
		one := linted{j, upon[j]}
		at, known := place[j.Kind]
		if !known {
			at = len(kinds)
			place[j.Kind], kinds = at, append(kinds, nil)
		}
		kinds[at] = append(kinds[at], one)
	}
	return kinds
}

// lint has the builder check each kind of Dockerfile once.
func (e *examination) lint(ctx context.Context, open []*plan.Job) {
	var group errgroup.Group
	group.SetLimit(askers)
	for _, kind := range lintedOf(open) {
		group.Go(func() error {
			e.lintOne(ctx, kind)
			return nil
		})
	}
	_ = group.Wait()
}

// namesOf are the names of the plan's jobs that have a kind of Dockerfile.
func namesOf(kind []linted) (all []string) {
	for _, one := range kind {
		all = append(all, one.names...)
	}
	return all
}

// uncheck notes why a Dockerfile was not checked. It is told where nothing else is told to
// be wrong with the jobs.
func (e *examination) uncheck(kind []linted, s check.Severity, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unchecked = append(e.unchecked, check.Finding{Severity: s, Kind: check.Dockerfile, Jobs: namesOf(kind), Text: visible.FirstLine(why)})
}

// lintOne checks the Dockerfile that jobs have, by one of them: one that can be built, if
// there is any, since base images are looked at, too.
func (e *examination) lintOne(ctx context.Context, kind []linted) {
	sample := slices.IndexFunc(kind, func(one linted) bool { return slices.ContainsFunc(one.names, e.isAskable) })
	if sample < 0 {
		e.uncheck(kind, check.Unknown, lintSays+": its base images are not known")
		return
	}
	results, err := e.Builder.Check(ctx, kind[sample].Job)
	message := ""
	if err != nil {
		message = err.Error()
	} else if results.Error != nil {
		message = results.Error.Message
	}
	maker, ref := madeBy(e.makers, message)
	switch {
	case maker != nil:
		e.uncheck(kind, check.Unknown, notYet(lintSays, ref, maker))
		return
	case err != nil:
		e.uncheck(kind, check.Unknown, lintSays+": "+message)
		return
	case results.Error != nil:
		e.uncheck(kind, check.Fault, message)
		return
	}
	for _, w := range results.Warnings {
		if w.RuleName == otherPlatform {
			continue
		}
		f := check.Finding{Severity: check.Warning, Kind: check.Dockerfile, Text: w.RuleName + ": " + w.Detail, Hint: w.URL, Jobs: namesOf(kind)}
		line := 0
		if ranges := w.Location.GetRanges(); len(ranges) > 0 {
			line = int(ranges[0].Start.GetLine())
		}
		for _, one := range kind {
			f.Places = append(f.Places, check.Place{File: one.Source.Name(), Line: line})
		}
		e.add(f)
	}
}
