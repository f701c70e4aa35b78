// Package jsonarray reads rows from JSON: an array of objects.
package jsonarray

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// Reader reads an array of objects.
type Reader struct {
	bound *rows.Bound
	lines *lines
}

// New makes a reader.
func New(r io.Reader) Reader {
	bound := rows.NewBound(r)
	return Reader{bound, &lines{r: bound}}
}

// Hint implements rows.Reader.
func (Reader) Hint() string {
	return `it must be an array of objects, such as [{"id": "one"}, {"id": "two"}]`
}

// Rows implements rows.Reader.
func (r Reader) Rows() iter.Seq2[rows.Row, error] {
	return func(yield func(rows.Row, error) bool) {
		buffered := bufio.NewReader(r.lines)
		rows.SkipMark(buffered)
		mark := r.lines.read - int64(buffered.Buffered())
		decoder := json.NewDecoder(buffered)
		fail := func(element int, err error) {
			yield(rows.Row{Place: place(element)}, r.lines.say(err, mark+offset(decoder)))
		}
		if first, err := decoder.Token(); err != nil || first != json.Delim('[') {
			fail(0, cause(err, errors.New("it is no array")))
			return
		}
		number := 0
		for decoder.More() {
			number++
			r.bound.Next()
			var text json.RawMessage
			if err := decoder.Decode(&text); err != nil {
				fail(number, err)
				return
			}
			columns, err := rows.ReadObject(text)
			if twice := new(rows.TwiceError); errors.As(err, &twice) {
				begin := decoder.InputOffset() - int64(len(text))
				err = r.lines.say(twice, mark+begin+int64(twice.Offset)) // in the file
			}
			if !yield(rows.Row{Place: place(number), Columns: columns}, err) {
				return
			}
		}
		if _, err := decoder.Token(); err != nil {
			fail(0, err)
			return
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			fail(0, errors.New("there is more behind the array"))
		}
	}
}

func cause(errs ...error) error {
	return errs[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
}

// place is that of an element; of none it is the file.
func place(element int) mistakes.Place {
	if element == 0 {
		return mistakes.Place{}
	}
	return mistakes.Place{Unit: "element", Number: element}
}

// lines remembers where the lines of what is read begin.
type lines struct {
	r      io.Reader
	read   int64
	begins []int64 // of all but the first
}

func (l *lines) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.begins = append(l.begins, l.read+int64(i)+1)
		}
	}
	l.read += int64(n)
	return n, err
}

// say says what is wrong, and where.
func (l *lines) say(err error, offset int64) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("it is not JSON: it ends in the middle, at %s", l.at(l.read))
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: %w, at %s", err, l.at(offset))
	}
	return fmt.Errorf("%w, at %s", err, l.at(offset))
}

// offset is where a decoder came upon an error. What its own errors say is counted from
// nowhere in particular.
func offset(decoder *json.Decoder) int64 {
	rest, _ := io.ReadAll(decoder.Buffered()) // which is in memory
	value := bytes.TrimLeft(rest, " \t\r\n")
	begin := decoder.InputOffset() + int64(len(rest)-len(value))
	var syntax *json.SyntaxError
	if err := json.NewDecoder(bytes.NewReader(value)).Decode(&json.RawMessage{}); errors.As(err, &syntax) {
		return begin + syntax.Offset - 1
	}
	return begin
}

// at names a place, by the number of bytes before it.
func (l *lines) at(offset int64) string {
	line, begun := slices.BinarySearch(l.begins, offset)
	begin := int64(0)
	if begun {
		line++
	}
	if line > 0 {
		begin = l.begins[line-1]
	}
	return fmt.Sprintf("line %d, column %d", line+1, offset-begin+1)
}
