package bake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/rows"
)

// jsonSuffix is what bake has behind the name of a typed variable whose value is given as JSON.
const jsonSuffix = "_JSON"

const rowsFlag = "--rows-var"

// giveRows gives a variable the rows, as far as its type has their columns.
func (d *Definition) giveRows() error {
	name := d.question.RowsVar
	if name == "" {
		return nil
	}
	row, err := d.rowType(name)
	if err != nil {
		return err
	}
	if err := d.checkColumns(row); err != nil {
		return err
	}
	d.rowKind = row
	d.vars, err = d.withRows(d.question.Rows.Rows)
	return err
}

// withRows returns the values of variables with rows in the one that they fill.
func (d *Definition) withRows(all []rows.Row) (map[string]string, error) {
	var found mistakes.Findings
	values := []json.RawMessage{}
	for _, r := range all {
		value, err := rowValue(r, d.rowKind)
		if err != nil {
			found.Add(r.Place, err)
			continue
		}
		values = append(values, value)
	}
	if err := found.Err(d.question.Rows.Name); err != nil {
		return nil, err
	}
	text, err := json.Marshal(values)
	vars := map[string]string{}
	maps.Copy(vars, d.question.Vars)
	vars[d.question.RowsVar+jsonSuffix] = string(text)
	return vars, err
}

// rowType returns the type that a variable has for one row. It must be a list of objects
// or maps.
func (d *Definition) rowType(name string) (cty.Type, error) {
	wrong := func(problem string) error {
		return &mistakes.InputError{What: rowsFlag, Problems: []string{problem},
			Hint: fmt.Sprintf("declare it with the columns that are used, such as variable %q { type = list(object({ id = string })) }", name)}
	}
	declared := d.declarations()
	for _, v := range declared {
		switch {
		case v.name != name:
			continue
		case v.kind == nil:
			return cty.NilType, wrong(fmt.Sprintf("the variable %q of %s has no type, so that rows cannot be told to it", name, d.name))
		}
		list, diagnostics := typeexpr.TypeConstraint(v.kind)
		if diagnostics.HasErrors() {
			return cty.NilType, d.misread(diagnostics)
		}
		return elementOf(list, wrong, name)
	}
	// What cannot be read declares nothing.
	vars, _ := d.withEmpty()
	if _, _, err := d.parseFiles(d.files, vars); err != nil {
		return cty.NilType, d.wrong(err)
	}
	var names []string
	for _, v := range declared {
		names = append(names, v.name)
	}
	return cty.NilType, wrong(fmt.Sprintf("%s has no variable %q%s", d.name, name, mistakes.DidYouMean(name, "", names)))
}

// elementOf returns the type of what is in a list.
func elementOf(list cty.Type, wrong func(problem string) error, name string) (cty.Type, error) {
	if list.HasDynamicTypes() {
		return cty.NilType, wrong(fmt.Sprintf("the variable %q is %s: bake has no way to fill any", name, typeexpr.TypeString(list)))
	}
	if elementIsRow(list) {
		return list.ElementType(), nil
	}
	return cty.NilType, wrong(fmt.Sprintf("the variable %q is %s, and not a list of objects or maps", name, typeexpr.TypeString(list)))
}

// checkColumns makes sure that there are columns for all that a row's type has and that are
// not optional in it. Single rows may lack some, as JSON that has null there, and those that
// were chosen all of them: the value is null.
func (d *Definition) checkColumns(row cty.Type) error {
	in := d.question.Rows
	if !row.IsObjectType() || len(in.Rows) == 0 {
		return nil
	}
	names := in.Columns
	e := &mistakes.InputError{What: in.Name, Hint: "columns: " + plural.Some(names, namesInHint, ", ")}
	for _, name := range slices.Sorted(maps.Keys(row.AttributeTypes())) {
		if !row.AttributeOptional(name) && !slices.Contains(names, name) {
			e.Problems = append(e.Problems, fmt.Sprintf("no row has a column %q, which the variable %q of %s does%s", name, d.question.RowsVar, d.name, mistakes.DidYouMean(name, "", names)))
		}
	}
	if len(e.Problems) > 0 {
		return e
	}
	return nil
}

// rowValue returns a row as JSON of a type: of an object its attributes, of a map all
// columns. What is nested where a text is wanted is given as JSON.
func rowValue(r rows.Row, t cty.Type) (json.RawMessage, error) {
	types := map[string]cty.Type{}
	if t.IsObjectType() {
		types = t.AttributeTypes()
	} else {
		for name := range r.Columns {
			types[name] = t.ElementType()
		}
	}
	columns := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		columns[name] = fitting(r.Columns[name], types[name])
		if err := fits(columns[name], types[name]); err != nil {
			return nil, &mistakes.InputError{What: "column " + name, Problems: []string{err.Error()}}
		}
	}
	return json.Marshal(columns)
}

// nulls names the rows that have no value for what a row's type has; nothing where all have.
func (d *Definition) nulls() string {
	if d.question.RowsVar == "" || !d.rowKind.IsObjectType() {
		return ""
	}
	var all []string
	for _, r := range d.question.Rows.Rows {
		for _, name := range slices.Sorted(maps.Keys(d.rowKind.AttributeTypes())) {
			if r.Columns[name] == nil {
				all = append(all, fmt.Sprintf("%s has no %s", r.Place, name))
			}
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "of " + d.question.Rows.Name + ", " + plural.Some(all, namesInHint, ", ")
}

// fitting makes JSON of lists and objects where a text is wanted.
func fitting(value any, t cty.Type) any {
	if t != cty.String {
		return value
	}
	switch value.(type) {
	case []any, map[string]any:
		if text, err := json.Marshal(value); err == nil {
			return string(text)
		}
	}
	return value
}

// fits tells why a value is not of a type.
func fits(value any, t cty.Type) error {
	if cell, is := value.(string); is && !t.IsPrimitiveType() {
		return fmt.Errorf("the text %s is not %s: declare the column as string and take jsondecode() of it, or give the rows as JSON, which has such values", short([]byte(cell)), typeexpr.TypeString(t))
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err = ctyjson.Unmarshal(text, t); err != nil {
		return fmt.Errorf("%s is not %s: %w", short(text), typeexpr.TypeString(t), err)
	}
	return nil
}

// short is a text of which a person sees enough.
func short(text []byte) string {
	const most = 60
	if runes := []rune(string(text)); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return string(text)
}
