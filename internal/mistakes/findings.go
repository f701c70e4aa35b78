package mistakes

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Findings are what is wrong with the rows of an input. Rows that have the same
// fault are told of together: a mistake in a template is in all of them.
type Findings struct {
	// Hint is what the error ends with where the first fault has none.
	Hint string
	// Jobs are the names of all jobs of the input, where they are known.
	Jobs []string

	problems []*problem
	known    map[string]*problem // by their texts
}

// problem is a fault as it grows.
type problem struct {
	Fault
	kind string // of problems that differ in values alone it is the same
}

// Add notes a row's fault. Of an *InputError each problem is one; the hint of
// the first fault is what the error at the end ends with.
func (f *Findings) Add(at Place, err error) { f.AddOf("", at, err) }

// AddOf does the same for a row whose job's name is known.
func (f *Findings) AddOf(job string, at Place, err error) {
	var input *InputError
	if !errors.As(err, &input) {
		f.note(job, at, Fault{Text: err.Error()}, withoutValues(err.Error()))
		return
	}
	what := input.What
	if !strings.HasPrefix(what, "-") {
		what = "" // no flag: a Dockerfile, which may be a row's own
	}
	for _, p := range input.Problems {
		f.note(job, at, Fault{Text: input.What + ": " + p, Hint: input.Hint, File: input.File, Line: input.Line}, what+": "+withoutValues(p))
	}
}

// note notes a fault of a row, with its text but for the values.
func (f *Findings) note(job string, at Place, fault Fault, kind string) {
	p := f.known[fault.Text]
	if p == nil {
		if f.known == nil {
			f.known = map[string]*problem{}
		}
		p = &problem{fault, kind}
		f.known[fault.Text] = p
		f.problems = append(f.problems, p)
	}
	p.Places = append(p.Places, at)
	if job != "" {
		p.Jobs = append(p.Jobs, job)
	}
}

// Where a problem's text has values: in quotes, or in brackets as the library has them
// that reads references.
var valueInProblem = regexp.MustCompile(`"(\\.|[^"\\])*"|'\S{1,6}'|\(.*\)`)

func withoutValues(problem string) string { return valueInProblem.ReplaceAllString(problem, "VALUE") }

// Err returns all that was found as one *InputError; nil where nothing was.
func (f *Findings) Err(what string) error {
	if len(f.problems) == 0 {
		return nil
	}
	alike := map[string][]*problem{}
	for _, p := range f.problems {
		alike[p.kind] = append(alike[p.kind], p)
	}
	e := &InputError{What: what, Hint: cmp.Or(f.problems[0].Hint, f.Hint), Jobs: f.Jobs}
	for _, p := range f.problems {
		same := alike[p.kind]
		fault := p.Fault
		fault.Hint = cmp.Or(fault.Hint, f.Hint)
		switch {
		case len(same) <= alikeInError:
			e.Problems = append(e.Problems, located(listPlaces(p.Places, placesInProblem), p.Text))
		case p == same[0]:
			fault = together(fault, same)
			e.Problems = append(e.Problems, fmt.Sprintf("%s, such as %s: %s", listPlaces(placesOf(same), alikeInError), p.Places[0], p.Text))
		default:
			continue
		}
		e.Faults = append(e.Faults, fault)
	}
	return e
}

// together has one fault stand for others that are alike.
func together(first Fault, all []*problem) Fault {
	one := first
	one.Text = fmt.Sprintf("%d faults like this: %s", len(all), first.Text)
	one.Places, one.Jobs = placesOf(all), nil
	for _, p := range all {
		one.Jobs = append(one.Jobs, p.Jobs...)
	}
	if len(all) > 1 && first.File != "" {
		one.File, one.Line = "", 0 // each has its own
	}
	return one
}

// located puts the places of a problem before it. What is of the whole input has none,
// and a file need not be named twice.
func located(places, problem string) string {
	if places == "" || strings.HasPrefix(problem, places+": ") {
		return problem
	}
	return places + ": " + problem
}

// placesOf returns the places that have any of some problems.
func placesOf(problems []*problem) (places []Place) {
	for _, p := range problems {
		places = append(places, p.Places...)
	}
	slices.SortFunc(places, comparePlaces)
	return slices.Compact(places)
}

// How many problems that differ in a value alone are told each by itself. Of more,
// one stands for all, and as many places are named.
const alikeInError = 3

// How many places with the very same fault are named.
const placesInProblem = 8
