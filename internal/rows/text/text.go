// Package text reads rows from plain text: one id on each line.
package text

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// maxLine is the longest line that is read, in bytes: no id is longer.
const maxLine = 64 << 10

// idColumn is the one that each row has.
const idColumn = "id"

// Reader reads plain text.
type Reader struct{ r io.Reader }

// New makes a reader.
func New(r io.Reader) Reader { return Reader{r} }

// Hint implements rows.Reader.
func (Reader) Hint() string { return "each line must be one id; what follows a # is a comment" }

// Rows implements rows.Reader.
func (r Reader) Rows() iter.Seq2[rows.Row, error] {
	return func(yield func(rows.Row, error) bool) {
		for line, err := range Lines(r.r) {
			row := rows.Row{Place: mistakes.Line(line.Number), Columns: map[string]any{idColumn: line.Text}}
			if !yield(row, err) {
				return
			}
		}
	}
}

// Line is a line of a list.
type Line struct {
	Number int
	Text   string // without its comment and the blanks around it
}

var errNUL = errors.New("it has NUL characters in it: this does not look like a text file")

// Lines gives those of a list that say something. A fault is of the line that comes with
// it; the last one ends the list.
func Lines(r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		buffered := bufio.NewReader(r)
		rows.SkipMark(buffered)
		scanner := bufio.NewScanner(buffered)
		scanner.Buffer(nil, maxLine)
		number := 0
		for scanner.Scan() {
			number++
			line := Line{number, entry(scanner.Text())}
			if bytes.IndexByte(scanner.Bytes(), 0) >= 0 {
				yield(line, errNUL)
				return
			}
			var err error
			if !utf8.ValidString(line.Text) {
				err = rows.ErrNotText
			}
			if line.Text != "" && !yield(line, err) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(Line{Number: number + 1}, err)
		}
	}
}

// entry returns what a line says without comment and surrounding blanks.
// A # begins a comment at the start of a line or after a blank, since no
// reference holds either.
func entry(s string) string {
	for i, c := range s {
		if c == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			s = s[:i]
			break
		}
	}
	return strings.TrimSpace(s)
}
