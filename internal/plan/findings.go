package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// findings are what is wrong with the rows of an input. Rows that have the same
// fault are told of together: a mistake in a template is in all of them.
type findings struct {
	problems []string
	lines    map[string][]int
	kinds    map[string]string // of problems that differ in values alone it is the same
	hint     string
}

// add notes a row's fault. Of an *InputError each problem is one; the hint of
// the first fault is what the error at the end ends with.
func (f *findings) add(line int, err error) {
	var input *InputError
	if !errors.As(err, &input) {
		f.note(line, err.Error(), withoutValues(err.Error()), "")
		return
	}
	what := input.What
	if !strings.HasPrefix(what, "-") {
		what = "" // no flag: a Dockerfile, which may be a row's own
	}
	for _, p := range input.Problems {
		f.note(line, input.What+": "+p, what+": "+withoutValues(p), input.Hint)
	}
}

// note notes a problem, with its text but for the values.
func (f *findings) note(line int, problem, kind, hint string) {
	if f.lines == nil {
		f.lines, f.kinds, f.hint = map[string][]int{}, map[string]string{}, hint
	}
	if f.lines[problem] == nil {
		f.problems = append(f.problems, problem)
	}
	f.lines[problem] = append(f.lines[problem], line)
	f.kinds[problem] = kind
}

// Where a problem's text has values: in quotes, or in brackets as the library has them
// that reads references.
var valueInProblem = regexp.MustCompile(`"(\\.|[^"\\])*"|'\S{1,6}'|\(.*\)`)

func withoutValues(problem string) string { return valueInProblem.ReplaceAllString(problem, "VALUE") }

// err returns all that was found as one *InputError; nil where nothing was.
func (f *findings) err(what string) error {
	if len(f.problems) == 0 {
		return nil
	}
	alike := map[string][]string{}
	for _, p := range f.problems {
		alike[f.kinds[p]] = append(alike[f.kinds[p]], p)
	}
	e := &InputError{What: what, Hint: f.hint}
	for _, p := range f.problems {
		same := alike[f.kinds[p]]
		switch {
		case len(same) <= alikeInError:
			e.Problems = append(e.Problems, lineList(f.lines[p], linesInProblem)+": "+p)
		case p == same[0]:
			lines := f.linesOf(same)
			e.Problems = append(e.Problems, fmt.Sprintf("%s, such as line %d: %s", lineList(lines, alikeInError), f.lines[p][0], p))
		}
	}
	return e
}

// linesOf returns the lines that have any of some problems.
func (f *findings) linesOf(problems []string) (lines []int) {
	for _, p := range problems {
		lines = append(lines, f.lines[p]...)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// How many problems that differ in a value alone are told each by itself. Of more,
// one stands for all, and as many lines are named.
const alikeInError = 3

// How many lines with the very same fault are named.
const linesInProblem = 8

func lineList(lines []int, most int) string {
	if len(lines) == 1 {
		return fmt.Sprintf("line %d", lines[0])
	}
	named := make([]string, len(lines))
	for i, n := range lines {
		named[i] = strconv.Itoa(n)
	}
	return "lines " + someOf(named, most, ", ")
}
