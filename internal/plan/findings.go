package plan

import (
	"errors"
	"fmt"
	"strconv"
)

// findings are what is wrong with the rows of an input. Rows that have the same
// fault are told of together: a mistake in a template is in all of them.
type findings struct {
	problems []string
	lines    map[string][]int
	hint     string
}

// add notes a row's fault. Of an *InputError each problem is one; the hint of
// the first fault is what the error at the end ends with.
func (f *findings) add(line int, err error) {
	problems, hint := []string{err.Error()}, ""
	var input *InputError
	if errors.As(err, &input) {
		problems, hint = nil, input.Hint
		for _, p := range input.Problems {
			problems = append(problems, input.What+": "+p)
		}
	}
	if f.lines == nil {
		f.lines, f.hint = map[string][]int{}, hint
	}
	for _, p := range problems {
		if f.lines[p] == nil {
			f.problems = append(f.problems, p)
		}
		f.lines[p] = append(f.lines[p], line)
	}
}

// err returns all that was found as one *InputError; nil where nothing was.
func (f *findings) err(what string) error {
	if len(f.problems) == 0 {
		return nil
	}
	e := &InputError{What: what, Hint: f.hint}
	for _, p := range f.problems {
		e.Problems = append(e.Problems, lineList(f.lines[p])+": "+p)
	}
	return e
}

// How many lines with the same fault are named.
const linesInProblem = 8

func lineList(lines []int) string {
	if len(lines) == 1 {
		return fmt.Sprintf("line %d", lines[0])
	}
	named := make([]string, len(lines))
	for i, n := range lines {
		named[i] = strconv.Itoa(n)
	}
	return "lines " + someOf(named, linesInProblem, ", ")
}
