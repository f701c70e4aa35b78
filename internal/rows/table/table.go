// Package table reads rows from CSV and TSV: a header that names the columns, and a
// record for each row. All values are texts.
package table

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/rows"
)

// Reader reads a table.
type Reader struct {
	bound   *rows.Bound
	between rune
}

// CSV makes a reader of fields with commas between.
func CSV(r io.Reader) Reader { return Reader{rows.NewBound(r), ','} }

// TSV makes a reader of fields with tabs between.
func TSV(r io.Reader) Reader { return Reader{rows.NewBound(r), '\t'} }

// Hint implements rows.Reader.
func (r Reader) Hint() string {
	between := "commas"
	if r.between == '\t' {
		between = "tabs"
	}
	return "the first line must name the columns, with " + between + " between; each further record has as many fields, " +
		`and one with a quote in it stands in quotes, where "" is a quote`
}

// Rows implements rows.Reader.
func (r Reader) Rows() iter.Seq2[rows.Row, error] {
	return func(yield func(rows.Row, error) bool) {
		buffered := bufio.NewReader(r.bound)
		rows.SkipMark(buffered)
		records := csv.NewReader(buffered)
		records.Comma = r.between
		names, err := header(records)
		if err != nil {
			yield(rows.Row{Place: mistakes.Line(1)}, err)
			return
		}
		for last := 1; ; {
			r.bound.Next()
			record, err := records.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			row, err := rowOf(records, names, record, err)
			if errors.Is(err, rows.ErrTooLong) {
				row.Place = mistakes.Line(last + 1)
			}
			if !yield(row, err) || errors.Is(err, rows.ErrTooLong) || row.Place == (mistakes.Place{}) {
				return
			}
			last = row.Place.Number
		}
	}
}

// header reads the columns' names; none of an empty file.
func header(records *csv.Reader) ([]string, error) {
	names, err := records.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, plainly(err, nil, nil)
	}
	if len(names) == 1 && records.Comma == ',' && strings.Contains(names[0], ";") {
		return nil, &mistakes.InputError{What: "the header", Problems: []string{fmt.Sprintf("it names one column, %q: is it separated by semicolons?", mistakes.Begin(names[0]))},
			Hint: "write the file with commas between its fields, or with tabs, as .tsv"}
	}
	at := map[string]int{}
	for i, name := range names {
		name = strings.TrimSpace(name)
		names[i] = name
		switch first, again := at[name]; {
		case !utf8.ValidString(name):
			return nil, rows.ErrNotText
		case name == "":
			return nil, &mistakes.InputError{What: "the header", Problems: []string{fmt.Sprintf("column %d has no name", i+1)},
				Hint: "name each column in the first line; pandas writes such a one for its index, and none with index=False"}
		case again:
			return nil, &mistakes.InputError{What: "the header", Problems: []string{fmt.Sprintf("columns %d and %d are both named %q", first, i+1, name)},
				Hint: "give each column a name of its own in the first line"}
		}
		at[name] = i + 1
	}
	return names, nil
}

// rowOf makes a row of a record. Without a place the fault is of the file.
func rowOf(records *csv.Reader, names, record []string, err error) (rows.Row, error) {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return rows.Row{Place: mistakes.Line(parse.StartLine)}, plainly(err, names, record)
	}
	if err != nil {
		return rows.Row{}, err
	}
	line, _ := records.FieldPos(0)
	row := rows.Row{Place: mistakes.Line(line), Columns: make(map[string]any, len(names))}
	for i, name := range names {
		if !utf8.ValidString(record[i]) {
			return row, rows.ErrNotText
		}
		row.Columns[name] = record[i]
	}
	return row, nil
}

// plainly says what is wrong with a record.
func plainly(err error, names, record []string) error {
	var parse *csv.ParseError
	switch {
	case !errors.As(err, &parse):
		return err
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("it has %s, where the header has %d", plural.Of(len(record), "field"), len(names))
	case errors.Is(err, csv.ErrBareQuote):
		return fmt.Errorf("column %d: there is a quote in a field that is not in quotes", parse.Column)
	case errors.Is(err, csv.ErrQuote):
		at := fmt.Sprintf("column %d", parse.Column)
		if parse.Line != parse.StartLine { // which is told already
			at = fmt.Sprintf("line %d, %s", parse.Line, at)
		}
		return errors.New(at + ": a field in quotes goes on behind them, or they are never closed")
	}
	return err
}
