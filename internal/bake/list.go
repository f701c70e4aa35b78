package bake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/docker/buildx/bake/hclparser"
)

// variable is one of a bake file.
type variable hclparser.Variable

// List is what a listing shows, and how.
type List struct {
	Variables bool // and not targets
	JSON      bool
}

// ParseList reads targets, variables, or such as type=targets,format=json.
func ParseList(text string) (List, error) {
	kind, format := text, "table"
	if strings.Contains(text, "=") {
		kind = ""
		for _, part := range strings.Split(text, ",") {
			key, value, _ := strings.Cut(part, "=")
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "type":
				kind = value
			case "format":
				format = value
			default:
				return List{}, fmt.Errorf("%q is neither type nor format", key)
			}
		}
	}
	switch {
	case kind != "targets" && kind != "variables":
		return List{}, fmt.Errorf("%q is neither targets nor variables", kind)
	case format != "table" && format != "json":
		return List{}, fmt.Errorf("%q is neither table nor json", format)
	}
	return List{Variables: kind == "variables", JSON: format == "json"}, nil
}

// List writes the targets or the variables as docker buildx bake --list does.
func (d *Definition) List(w io.Writer, l List) error {
	if l.Variables {
		return d.listVariables(w, l.JSON)
	}
	return d.listTargets(w, l.JSON)
}

func (d *Definition) listVariables(w io.Writer, asJSON bool) error {
	if asJSON {
		return encode(w, d.variables)
	}
	lines := []string{"VARIABLE\tTYPE\tVALUE\tDESCRIPTION"}
	for _, v := range d.variables {
		value := "<null>"
		if v.Value != nil {
			value = *v.Value
		}
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s", v.Name, v.Type, value, v.Description))
	}
	return table(w, lines)
}

// listed is a target or a group.
type listed struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Group       bool   `json:"group,omitempty"`
}

func (d *Definition) listTargets(w io.Writer, asJSON bool) error {
	var all []listed
	for _, t := range d.config.Targets {
		all = append(all, listed{Name: t.Name, Description: t.Description})
	}
	for _, g := range d.config.Groups {
		one := listed{Name: g.Name, Description: g.Description, Group: true}
		if names := strings.Join(slices.Sorted(slices.Values(g.Targets)), ", "); one.Description == "" {
			one.Description = names
		} else if names != "" {
			one.Description += " (" + names + ")"
		}
		all = append(all, one)
	}
	all = slices.DeleteFunc(all, func(l listed) bool { return isPrivate(l.Name) })
	slices.SortStableFunc(all, func(a, b listed) int { return cmp.Compare(a.Name, b.Name) })
	if asJSON {
		return encode(w, all)
	}
	lines := []string{"TARGET\tDESCRIPTION"}
	for _, l := range all {
		lines = append(lines, l.Name+"\t"+l.Description)
	}
	return table(w, lines)
}

func encode(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

func table(w io.Writer, lines []string) error {
	t := tabwriter.NewWriter(w, 1, 8, 1, '\t', 0)
	for _, line := range lines {
		fmt.Fprintln(t, line)
	}
	return t.Flush()
}
