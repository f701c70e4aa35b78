package bake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	buildx "github.com/docker/buildx/bake"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stoker-build/stoker/internal/mistakes"
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
	var found mistakes.Findings
	values := []json.RawMessage{}
	for _, r := range d.question.Rows.Rows {
		value, err := rowValue(r, row)
		if err != nil {
			found.Add(r.Place, err)
			continue
		}
		values = append(values, value)
	}
	if err := found.Err(d.question.Rows.Name); err != nil {
		return err
	}
	text, err := json.Marshal(values)
	if err != nil {
		return err
	}
	vars := maps.Clone(d.vars)
	if vars == nil {
		vars = map[string]string{}
	}
	vars[name+jsonSuffix] = string(text)
	d.vars = vars
	return nil
}

// rowType returns the type that a variable has for one row. It must be a list of objects
// or maps.
func (d *Definition) rowType(name string) (cty.Type, error) {
	wrong := func(problem string) error {
		return &mistakes.InputError{What: rowsFlag, Problems: []string{problem},
			Hint: fmt.Sprintf("declare it with the columns that are used, such as variable %q { type = list(object({ id = string })) }", name)}
	}
	var names []string
	for _, f := range d.files {
		parsed, is, err := buildx.ParseHCLFile(f.Data, f.Name)
		if !is || err != nil {
			continue // a compose file, or wrong, as is said when all are parsed
		}
		variables, _, _ := parsed.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "variable", LabelNames: []string{"name"}}}})
		for _, block := range variables.Blocks {
			names = append(names, block.Labels[0])
			if block.Labels[0] != name {
				continue
			}
			attributes, _ := block.Body.JustAttributes()
			if attributes["type"] == nil {
				return cty.NilType, wrong(fmt.Sprintf("the variable %q of %s has no type, so that rows cannot be told to it", name, d.name))
			}
			list, diagnostics := typeexpr.TypeConstraint(attributes["type"].Expr)
			if diagnostics.HasErrors() {
				return cty.NilType, d.misread(diagnostics)
			}
			return elementOf(list, wrong, name)
		}
	}
	return cty.NilType, wrong(fmt.Sprintf("%s has no variable %q%s", d.name, name, mistakes.DidYouMean(name, "", names)))
}

// elementOf returns the type of what is in a list.
func elementOf(list cty.Type, wrong func(problem string) error, name string) (cty.Type, error) {
	if list.HasDynamicTypes() {
		return cty.NilType, wrong(fmt.Sprintf("the variable %q is %s: bake has no way to fill any", name, typeexpr.TypeString(list)))
	}
	if list.IsListType() || list.IsSetType() {
		if element := list.ElementType(); element.IsObjectType() || element.IsMapType() {
			return element, nil
		}
	}
	return cty.NilType, wrong(fmt.Sprintf("the variable %q is %s, and not a list of objects or maps", name, typeexpr.TypeString(list)))
}

// checkColumns makes sure that there are columns for all that a row's type has. Single rows
// may lack some, as JSON that has null there: the value is null.
func (d *Definition) checkColumns(row cty.Type) error {
	in := d.question.Rows
	if !row.IsObjectType() || len(in.Rows) == 0 {
		return nil
	}
	columns := map[string]any{}
	for _, r := range in.Rows {
		maps.Copy(columns, r.Columns)
	}
	names := slices.Sorted(maps.Keys(columns))
	e := &mistakes.InputError{What: in.Name, Hint: "columns: " + mistakes.SomeOf(names, namesInHint, ", ")}
	for _, name := range slices.Sorted(maps.Keys(row.AttributeTypes())) {
		if _, there := columns[name]; !there {
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
