package bake

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	buildx "github.com/docker/buildx/bake"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// How bake says that targets cannot be called as they are; it names no value of a matrix.
const (
	invalidName = "Invalid name"
	onlyAllowed = `only "`
)

var (
	targetName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	nameTwice  = regexp.MustCompile(`^duplicate name "(.*)"$`)
)

// misnamed says which names of targets cannot be had, and which rows make them; nil where
// that is not what is wrong, or cannot be told.
func (d *Definition) misnamed(diagnostics hcl.Diagnostics) error {
	i := slices.IndexFunc(diagnostics, isMisnamed)
	if i < 0 || diagnostics[i].Subject == nil {
		return nil
	}
	at := *diagnostics[i].Subject
	t, found := d.namedTarget(at)
	if !found {
		return nil
	}
	e := &mistakes.InputError{What: d.fileOf(at)}
	say := func(format string, args ...any) {
		e.Problems = []string{placed(at, fmt.Sprintf("target %q: ", t.label)+fmt.Sprintf(format, args...))}
	}
	places, vars := d.whoseNames()
	if m := nameTwice.FindStringSubmatch(diagnostics[i].Detail); m != nil {
		say("%s the name %q twice", makers(places), m[1])
		e.Hint = "have something in the name whose values differ"
		return e
	}
	const allowed = "names have letters, digits, _ and - alone"
	if !targetName.MatchString(t.label) {
		say("%s", allowed)
		return e
	}
	bad := slices.DeleteFunc(d.namesMade(t.label, vars), targetName.MatchString)
	if len(bad) == 0 || t.name == "" {
		return nil
	}
	say("%s the name %q, but %s", makers(places), bad[0], allowed)
	e.Hint = fmt.Sprintf(`make it fit, for example with name = regex_replace(%s, "[^a-zA-Z0-9_-]+", "-")`, t.name)
	return e
}

func isMisnamed(found *hcl.Diagnostic) bool {
	return found.Summary == invalidName && (strings.HasPrefix(found.Detail, onlyAllowed) || nameTwice.MatchString(found.Detail))
}

// makers begins a sentence about what makes a name: rows, where these are known.
func makers(places []string) string {
	switch len(places) {
	case 0:
		return "its matrix makes"
	case 1:
		return places[0] + " makes"
	}
	return strings.Join(places, " and ") + " make"
}

// whoseNames finds the row that makes a name that cannot be had, or the two that make one
// name, and returns the variables with these rows alone.
func (d *Definition) whoseNames() (places []string, vars map[string]string) {
	in := d.question.Rows
	fails := func(from, to int) bool {
		vars, err := d.withRows(in.Rows[from:to])
		if err != nil {
			return false
		}
		_, _, err = d.parseFiles(d.files, vars)
		diagnostics, _ := asDiagnostics(err)
		return slices.ContainsFunc(diagnostics, isMisnamed)
	}
	if d.question.RowsVar == "" || fails(0, 0) {
		return nil, d.vars
	}
	// With more rows it still fails, so that both ends can be searched for.
	last := sort.Search(len(in.Rows)-1, func(i int) bool { return fails(0, i+1) })
	first := last - sort.Search(last, func(i int) bool { return fails(last-i, last+1) })
	for _, i := range slices.Compact([]int{first, last}) {
		places = append(places, fmt.Sprintf("%s %s", in.Name, in.Rows[i].Place))
	}
	vars, err := d.withRows(in.Rows[last : last+1])
	if err != nil {
		return nil, d.vars
	}
	return places, vars
}

// namedTarget is how a target is called in its file.
type namedTarget struct {
	label string
	name  string // its expression as it is written; empty for none
}

// namedTarget finds the target whose label is at a place.
func (d *Definition) namedTarget(at hcl.Range) (t namedTarget, found bool) {
	for _, f := range d.files {
		for _, block := range blocksOf(f, "target") {
			if f.Name == at.Filename && block.LabelRanges[0] == at {
				name, is := nameOf(block)
				if is {
					t.name = string(name.SliceBytes(f.Data))
				}
				t.label = block.Labels[0]
				return t, true
			}
		}
	}
	return t, false
}

// nameOf returns where the expression of a target's name is; none in JSON.
func nameOf(block *hcl.Block) (hcl.Range, bool) {
	attributes, _ := block.Body.JustAttributes()
	name := attributes["name"]
	if name == nil {
		return hcl.Range{}, false
	}
	_, is := name.Expr.(hclsyntax.Expression)
	return name.Expr.Range(), is
}

// namesMade returns the names that a target's matrix makes, also those that cannot be had:
// the files are parsed with names that are written in letters and digits.
func (d *Definition) namesMade(label string, vars map[string]string) (names []string) {
	files := slices.Clone(d.files)
	for i := range files {
		files[i].Data = encodeNames(files[i])
	}
	_, meta, err := d.parseFiles(files, vars)
	if err != nil {
		return nil
	}
	for _, encoded := range meta.Renamed["target"][label] {
		if name, err := base64.RawURLEncoding.DecodeString(encoded); err == nil {
			names = append(names, strings.TrimPrefix(string(name), "="))
		}
	}
	return names
}

// encodeNames is a bake file whose targets' names are encoded, a = before each, so that none
// is empty.
func encodeNames(f buildx.File) []byte {
	data := f.Data
	for _, block := range slices.Backward(blocksOf(f, "target")) {
		at, is := nameOf(block)
		if !is {
			continue
		}
		encoded := fmt.Sprintf(`replace(replace(replace(base64encode(format("=%%s", %s)), "+", "-"), "/", "_"), "=", "")`, at.SliceBytes(data))
		data = slices.Concat(data[:at.Start.Byte], []byte(encoded), data[at.End.Byte:])
	}
	return data
}
