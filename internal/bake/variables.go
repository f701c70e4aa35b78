package bake

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	buildx "github.com/docker/buildx/bake"
	"github.com/docker/buildx/bake/hclparser"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// declaration is a variable as a bake file declares it.
type declaration struct {
	name       string
	kind       hcl.Expression // its type; nil for none
	hasDefault bool
}

// declarations are the variables that bake files declare, as far as these can be read: what
// is wrong with one is said when all are parsed.
func (d *Definition) declarations() (all []declaration) {
	for _, f := range d.files {
		for _, block := range blocksOf(f, "variable") {
			attributes, _ := block.Body.JustAttributes()
			v := declaration{name: block.Labels[0], hasDefault: attributes["default"] != nil}
			if kind := attributes["type"]; kind != nil {
				v.kind = kind.Expr
			}
			all = append(all, v)
		}
	}
	return all
}

// blocksOf returns the blocks of one kind that a bake file has; none of a compose file.
func blocksOf(f buildx.File, kind string) hcl.Blocks {
	parsed, is, err := buildx.ParseHCLFile(f.Data, f.Name)
	if !is || err != nil {
		return nil
	}
	content, _, _ := parsed.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: kind, LabelNames: []string{"name"}}}})
	return content.Blocks
}

// valueless are the variables that have a type and no value, with their types: bake takes
// them to be null, and its package panics where a matrix is made of one.
func (d *Definition) valueless() map[string]cty.Type {
	found := map[string]cty.Type{}
	for _, v := range d.declarations() {
		delete(found, v.name) // of several the last counts
		if v.kind == nil || v.hasDefault || d.isGiven(v.name) || d.isGiven(v.name+jsonSuffix) {
			continue
		}
		if kind, diagnostics := typeexpr.TypeConstraint(v.kind); !diagnostics.HasErrors() {
			found[v.name] = kind
		}
	}
	return found
}

func (d *Definition) isGiven(name string) bool {
	_, flag := d.vars[name]
	_, env := os.LookupEnv(name)
	return flag || env
}

// withEmpty returns the values of variables with an empty list for each list that has no
// value, and tells which these are.
func (d *Definition) withEmpty() (vars map[string]string, empty map[string]bool) {
	vars, empty = map[string]string{}, map[string]bool{}
	maps.Copy(vars, d.vars)
	for name, kind := range d.valueless() {
		if kind.IsListType() || kind.IsSetType() {
			vars[name+jsonSuffix], empty[name] = "[]", true
		}
	}
	return vars, empty
}

// parseFiles parses bake files with values of variables.
func (d *Definition) parseFiles(files []buildx.File, vars map[string]string) (config *buildx.Config, meta *hclparser.ParseMeta, err error) {
	err = d.guarded(func() error {
		config, meta, err = buildx.ParseFiles(files, d.builtin(), vars, d.options)
		return err
	})
	return config, meta, err
}

// guarded calls bake's own package, and makes an error of its panic: it has some for values
// that are null.
func (d *Definition) guarded(call func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = d.panicked(reason)
		}
	}()
	return call()
}

// panicked says why bake's package could not go on, as far as that can be told.
func (d *Definition) panicked(reason any) error {
	missing := d.valueless()
	if len(missing) == 0 {
		return &mistakes.InputError{What: d.name, Problems: []string{fmt.Sprintf("bake's own package cannot read it: %v", reason)},
			Hint: "where it says that a value is null: give the value that is missing, such as one of a matrix"}
	}
	e := &mistakes.InputError{What: d.name}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		e.Problems = append(e.Problems, noValue(name, missing[name]))
	}
	return e
}

// noValue says that a variable of a type has none, and how it gets one.
func noValue(name string, kind cty.Type) string {
	var ways []string
	if elementIsRow(kind) {
		ways = append(ways, fmt.Sprintf("--rows FILE %s %s", rowsFlag, name))
	}
	value := "--var " + name + "=VALUE"
	if !kind.IsPrimitiveType() {
		value = "--var " + name + jsonSuffix + "=JSON"
	}
	return fmt.Sprintf("variable %s has no value: give %s or a default", name, strings.Join(append(ways, value), ", "))
}

// elementIsRow tells whether rows can fill a variable of a type.
func elementIsRow(kind cty.Type) bool {
	if !kind.IsListType() && !kind.IsSetType() {
		return false
	}
	return kind.ElementType().IsObjectType() || kind.ElementType().IsMapType()
}

// jsonGiven says that a list or map was given as JSON, which takes the variable's other
// name; nil where none was.
func (d *Definition) jsonGiven() error {
	for _, v := range d.declarations() {
		value, given := d.question.Vars[v.name]
		if !given || v.kind == nil || !strings.ContainsAny(value[:min(len(value), 1)], "[{") || !json.Valid([]byte(value)) {
			continue
		}
		kind, diagnostics := typeexpr.TypeConstraint(v.kind)
		if diagnostics.HasErrors() || kind.IsPrimitiveType() {
			continue
		}
		hint := fmt.Sprintf("give it as --var '%s%s=%s'", v.name, jsonSuffix, value)
		if (kind.IsListType() || kind.IsSetType()) && kind.ElementType().IsPrimitiveType() {
			hint += fmt.Sprintf(", or with commas alone, such as --var %s=x,y", v.name)
		}
		return &mistakes.InputError{What: "--var " + v.name, Problems: []string{"its value is JSON: " + value}, Hint: hint}
	}
	return nil
}
