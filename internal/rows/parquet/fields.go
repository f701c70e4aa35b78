package parquet

import (
	lib "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/stoker-build/stoker/internal/rows"
)

// field is a node of a file's schema. A file has the values of its leaves alone, each
// with two levels: how much of the path to it is there (definition), and at which
// repeated field of that path a new element begins (repetition).
type field struct {
	name               string
	kind               kind
	optional, repeated bool
	// definition and repetition are the levels of a value when the field is there, and
	// when an element of it begins.
	definition, repetition int
	first, leaves          int // its columns
	fields                 []*field
	text                   func(lib.Value) any // of a leaf
}

// kind is what a field's value is made into.
type kind int

const (
	leaf kind = iota
	group
	list
	dictionary
)

func rootOf(schema *lib.Schema) *field {
	root := &field{kind: group}
	root.add(schema.Fields(), 0)
	return root
}

// add adds fields below, of which the first leaf is a column.
func (f *field) add(nodes []lib.Field, column int) {
	f.first = column
	for _, node := range nodes {
		child := fieldOf(node, f.definition, f.repetition, column)
		f.fields = append(f.fields, child)
		column += child.leaves
	}
	f.leaves = column - f.first
}

func fieldOf(node lib.Field, definition, repetition, column int) *field {
	f := &field{name: node.Name(), optional: node.Optional(), repeated: node.Repeated(), definition: definition, repetition: repetition, first: column}
	if f.optional || f.repeated {
		f.definition++
	}
	if f.repeated {
		f.repetition++
	}
	if node.Leaf() {
		f.leaves, f.text = 1, textOf(node.Type())
		return f
	}
	f.add(node.Fields(), column)
	f.kind = f.kindOf(node.Type().LogicalType())
	return f
}

// kindOf tells lists and maps from other groups: they are groups around one repeated
// field.
func (f *field) kindOf(logical *format.LogicalType) kind {
	if logical == nil || len(f.fields) != 1 || !f.fields[0].repeated {
		return group
	}
	switch logical.Value.(type) {
	case *format.ListType:
		return list
	case *format.MapType:
		if entry := f.fields[0]; len(entry.fields) == 2 && entry.fields[0].kind == leaf {
			return dictionary
		}
	}
	return group
}

// columns are the values of a file's leaves, of one row or a part of it.
type columns [][]lib.Value

// read makes the columns of a row.
func (f *field) read(row lib.Row) (map[string]any, error) {
	all := make(columns, f.leaves)
	size := 0
	for _, v := range row {
		all[v.Column()] = append(all[v.Column()], v)
		if k := v.Kind(); k == lib.ByteArray || k == lib.FixedLenByteArray {
			size += len(v.ByteArray())
		}
	}
	if size > rows.MaxRow {
		return nil, rows.ErrTooLong
	}
	return f.object(all), nil
}

// value is what the field has in a part of a row; nil for null.
func (f *field) value(all columns) any {
	switch {
	case !f.there(all):
		if f.repeated {
			return []any{}
		}
		return nil
	case f.repeated:
		elements := []any{}
		for part := range f.elements(all) {
			elements = append(elements, f.one(part))
		}
		return elements
	}
	return f.one(all)
}

// there tells whether a part of a row has the field.
func (f *field) there(all columns) bool {
	return f.leaves > 0 && len(all[f.first]) > 0 && all[f.first][0].DefinitionLevel() >= f.definition
}

// elements are the parts of which each has one element of a repeated field.
func (f *field) elements(all columns) func(yield func(columns) bool) {
	return func(yield func(columns) bool) {
		rest := append(columns{}, all...)
		for len(rest[f.first]) > 0 {
			part := make(columns, len(all))
			for c := f.first; c < f.first+f.leaves; c++ {
				n := min(1, len(rest[c]))
				for n < len(rest[c]) && rest[c][n].RepetitionLevel() > f.repetition {
					n++
				}
				part[c], rest[c] = rest[c][:n], rest[c][n:]
			}
			if !yield(part) {
				return
			}
		}
	}
}

// one is the field's value where it is there, one element of it where it is repeated.
func (f *field) one(all columns) any {
	switch f.kind {
	case leaf:
		return f.text(all[f.first][0])
	case list:
		return f.list(all)
	case dictionary:
		return f.dictionary(all)
	}
	return f.object(all)
}

func (f *field) object(all columns) map[string]any {
	object := make(map[string]any, len(f.fields))
	for _, child := range f.fields {
		if value := child.value(all); value != nil {
			object[child.name] = value
		}
	}
	return object
}

// list is a list's elements, without what is around each of them in the file.
func (f *field) list(all columns) []any {
	around := f.fields[0]
	elements := []any{}
	if !around.there(all) {
		return elements
	}
	for part := range around.elements(all) {
		if around.kind == group && len(around.fields) == 1 {
			elements = append(elements, around.fields[0].value(part))
		} else {
			elements = append(elements, around.one(part))
		}
	}
	return elements
}

// dictionary is a map's entries.
func (f *field) dictionary(all columns) map[string]any {
	entry := f.fields[0]
	object := map[string]any{}
	if !entry.there(all) {
		return object
	}
	for part := range entry.elements(all) {
		key, value := entry.fields[0].value(part), entry.fields[1].value(part)
		if key != nil && value != nil {
			object[rows.Text(key)] = value
		}
	}
	return object
}
