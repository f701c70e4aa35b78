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

	problems []string
	places   map[string][]Place
	kinds    map[string]string // of problems that differ in values alone it is the same
}

// Add notes a row's fault. Of an *InputError each problem is one; the hint of
// the first fault is what the error at the end ends with.
func (f *Findings) Add(at Place, err error) {
	var input *InputError
	if !errors.As(err, &input) {
		f.note(at, err.Error(), withoutValues(err.Error()), "")
		return
	}
	what := input.What
	if !strings.HasPrefix(what, "-") {
		what = "" // no flag: a Dockerfile, which may be a row's own
	}
	for _, p := range input.Problems {
		f.note(at, input.What+": "+p, what+": "+withoutValues(p), input.Hint)
	}
}

// note notes a problem, with its text but for the values.
func (f *Findings) note(at Place, problem, kind, hint string) {
	if f.places == nil {
		f.places, f.kinds, f.Hint = map[string][]Place{}, map[string]string{}, cmp.Or(hint, f.Hint)
	}
	if f.places[problem] == nil {
		f.problems = append(f.problems, problem)
	}
	f.places[problem] = append(f.places[problem], at)
	f.kinds[problem] = kind
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
	alike := map[string][]string{}
	for _, p := range f.problems {
		alike[f.kinds[p]] = append(alike[f.kinds[p]], p)
	}
	e := &InputError{What: what, Hint: f.Hint}
	for _, p := range f.problems {
		same := alike[f.kinds[p]]
		switch {
		case len(same) <= alikeInError:
			e.Problems = append(e.Problems, located(listPlaces(f.places[p], placesInProblem), p))
		case p == same[0]:
			places := f.placesOf(same)
			e.Problems = append(e.Problems, fmt.Sprintf("%s, such as %s: %s", listPlaces(places, alikeInError), f.places[p][0], p))
		}
	}
	return e
}

// located puts the places of a problem before it. What is of the whole input has none.
func located(places, problem string) string {
	if places == "" {
		return problem
	}
	return places + ": " + problem
}

// placesOf returns the places that have any of some problems.
func (f *Findings) placesOf(problems []string) (places []Place) {
	for _, p := range problems {
		places = append(places, f.places[p]...)
	}
	slices.SortFunc(places, comparePlaces)
	return slices.Compact(places)
}

// How many problems that differ in a value alone are told each by itself. Of more,
// one stands for all, and as many places are named.
const alikeInError = 3

// How many places with the very same fault are named.
const placesInProblem = 8
