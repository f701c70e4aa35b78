// Package mistakes says what is wrong with an input, so that a person can mend all of
// it in one go.
package mistakes

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// InputError tells everything that is wrong with one input, so that it can be
// mended in one go. It always means that no build was started.
type InputError struct {
	What     string   // the input, such as a file's name
	Problems []string // one line each
	Hint     string   // what to do, if there is something to say
	// File is the one that What names, where it is a file of a row, and Line where the
	// problem stands in it; 0 where that is not known.
	File string
	Line int
	// Faults are the problems in parts, one for each; nil where more is not known.
	Faults []Fault
	// Jobs are the names of all jobs of the input, where they are known.
	Jobs []string
}

// Fault is a problem in parts.
type Fault struct {
	Text string // without its places
	Hint string
	// Places are where it stands in the input.
	Places []Place
	// File and Line are where it stands elsewhere, as of an InputError.
	File string
	Line int
	// Jobs are the names of those that have it, where they are known.
	Jobs []string
}

// OfAll is an error that all jobs of an input have. Other errors stay as they are.
func OfAll(err error, jobs []string) error {
	var input *InputError
	if !errors.As(err, &input) || len(input.Faults) > 0 {
		return err
	}
	all := *input
	all.Jobs = jobs
	for _, p := range input.Problems {
		all.Faults = append(all.Faults, Fault{Text: input.What + ": " + p, Hint: input.Hint, File: input.File, Line: input.Line, Jobs: jobs})
	}
	return &all
}

// Reword has the texts of all InputErrors that an error is made of be as a function has them,
// such as without secrets.
func Reword(err error, text func(string) string) {
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, each := range several.Unwrap() {
			Reword(each, text)
		}
		return
	}
	var input *InputError
	if errors.As(err, &input) {
		input.reword(text)
	}
}

func (e *InputError) reword(text func(string) string) {
	e.What, e.Hint = text(e.What), text(e.Hint)
	for i := range e.Problems {
		e.Problems[i] = text(e.Problems[i])
	}
	for i := range e.Faults {
		f := &e.Faults[i]
		f.Text, f.Hint = text(f.Text), text(f.Hint)
	}
}

// How many problems an error lists; a file of another kind has as many as lines.
const problemsInError = 50

func (e *InputError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.What)
	if len(e.Problems) == 1 {
		b.WriteString(e.Problems[0])
	} else {
		fmt.Fprintf(&b, "%d problems:", len(e.Problems))
		for _, p := range e.Problems[:min(len(e.Problems), problemsInError)] {
			b.WriteString("\n  " + p)
		}
		if more := len(e.Problems) - problemsInError; more > 0 {
			fmt.Fprintf(&b, "\n  and %d more", more)
		}
	}
	if e.Hint != "" {
		b.WriteString("\n" + e.Hint)
	}
	return b.String()
}

// Quoted is how much of a line a message quotes, in characters.
const Quoted = 80

// Begin returns the beginning of a text, as far as a message quotes it, and nothing
// that a terminal would take as a command.
func Begin(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > Quoted {
		return string(runes[:Quoted]) + "..."
	}
	return text
}
