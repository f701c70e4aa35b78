// Package mistakes says what is wrong with an input, so that a person can mend all of
// it in one go.
package mistakes

import (
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
