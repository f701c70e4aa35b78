// Package jsonlines reads rows from JSON Lines: one object on each line.
package jsonlines

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// Reader reads JSON Lines.
type Reader struct{ lines *bufio.Reader }

// New makes a reader.
func New(r io.Reader) Reader { return Reader{bufio.NewReaderSize(r, 64<<10)} }

// Hint implements rows.Reader.
func (Reader) Hint() string {
	return `each line must be one JSON object, such as {"id": "one"}; an array of such objects is read, too`
}

// Rows implements rows.Reader. Blank lines are passed over.
func (r Reader) Rows() iter.Seq2[rows.Row, error] {
	return func(yield func(rows.Row, error) bool) {
		rows.SkipMark(r.lines)
		for number := 1; ; number++ {
			line, err := r.next()
			switch {
			case errors.Is(err, rows.ErrTooLong):
				if !yield(rows.Row{Place: mistakes.Line(number)}, err) {
					return
				}
			case err != nil && !errors.Is(err, io.EOF):
				yield(rows.Row{}, err)
				return
			case len(bytes.TrimSpace(line)) > 0:
				columns, err := rows.ReadObject(line)
				if !yield(rows.Row{Place: mistakes.Line(number), Columns: columns}, err) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
		}
	}
}

// next returns a line. The error is rows.ErrTooLong for one that is left out, and
// io.EOF with the last.
func (r Reader) next() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.lines.ReadSlice('\n')
		long = long || len(line)+len(part) > rows.MaxRow
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, rows.ErrTooLong
		default:
			return line, err
		}
	}
}
