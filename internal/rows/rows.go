// Package rows says what a row is, and makes the rows of an input complete: each once,
// with a name of its own. The packages below it read them, one for each format.
package rows

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// Row is one line of input. Its columns can be used in every templated flag.
type Row struct {
	// Place is where it stands in its input.
	Place mistakes.Place
	// Columns are its values by their names: strings, int64, json.Number, bool, []any
	// and map[string]any, and an int for Index.
	Columns map[string]any
	// Base is the image reference that an image list's line is, as it is written;
	// empty for other rows.
	Base string
	// Name is that of the row's job: before Complete the one that it would like to
	// have, then its own.
	Name string
	// Identity tells the row from others; empty where all of its columns do.
	Identity string
}

// Reader reads the rows of one file, as one format has them.
type Reader interface {
	// Rows gives the rows in their order, as they are read. An error stands at the
	// Place of the row that comes with it; without one it is of the file. What can be
	// read behind it still comes.
	Rows() iter.Seq2[Row, error]
	// Hint says what a file of the format looks like.
	Hint() string
}

// MaxRow is the most that a row may take in a file, in bytes: rows of a dataset may hold
// whole patches and logs.
const MaxRow = 16 << 20

// ErrTooLong says that a row takes more.
var ErrTooLong = fmt.Errorf("it is longer than %d bytes", MaxRow)

// Input is the rows that a plan is made of: one job for each.
type Input struct {
	// Name is what a person calls it, such as a file's name.
	Name string
	Rows []Row
	// Columns are the names of the columns that any row has, also one that was not chosen,
	// sorted.
	Columns []string
	// Notes are remarks about it that a person should see, such as rows that
	// were listed twice.
	Notes []string
	// Sidecars are files of single rows, which were read beside what it is named after.
	Sidecars []string
}

// The columns that every row has.
const (
	NameColumn  = "Name"  // the job's name
	IndexColumn = "Index" // the row's place in the input; the first is 0
)

// Complete gives each row its job's name and the columns that every row has, where it
// has none of its own, and sets Columns.
func (in *Input) Complete() {
	columns := map[string]bool{}
	for i, name := range jobNames(in.Rows) {
		row := &in.Rows[i]
		row.Name = name
		row.give(NameColumn, name)
		row.give(IndexColumn, i)
		for column := range row.Columns {
			columns[column] = true
		}
	}
	in.Columns = slices.Sorted(maps.Keys(columns))
}

func (r *Row) give(column string, value any) {
	if _, own := r.Columns[column]; !own {
		r.Columns[column] = value
	}
}

// The columns that name a row's job, the first that the row has.
var nameColumns = []string{"id", "instance_id", "name"}

// wish is the name that a row's columns have for its job, or one of its number.
func wish(columns map[string]any, number int) string {
	for _, key := range nameColumns {
		switch v := columns[key].(type) {
		case string:
			if safeName(v) != "" {
				return v
			}
		case int64, json.Number:
			return fmt.Sprint(v)
		}
	}
	return fmt.Sprintf("row-%d", number)
}

// IDs are the texts by which a person may name a row.
func (r Row) IDs() []string {
	ids := []string{r.Name}
	if r.Base != "" {
		ids = append(ids, r.Base)
	}
	for _, key := range append([]string{NameColumn, "Ref"}, nameColumns...) {
		switch v := r.Columns[key].(type) {
		case string, int64, json.Number:
			ids = append(ids, fmt.Sprint(v))
		}
	}
	return ids
}
