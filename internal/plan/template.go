package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/Masterminds/sprig/v3"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/mistakes"
)

// The functions that a template can use: those of sprig that make
// strings of strings. None of them reads a file, the environment or the clock, or can
// be made to run for long.
var sprigFuncs = []string{
	"lower", "upper", "title", "trim", "trimAll", "trimPrefix", "trimSuffix",
	"replace", "trunc", "substr", "nospace", "contains", "hasPrefix", "hasSuffix",
	"regexReplaceAll", "regexReplaceAllLiteral", "regexFind", "regexMatch",
	"splitList", "join", "first", "last", "default", "ternary", "sha1sum", "sha256sum",
	"add", "sub", "mod", "snakecase", "kebabcase", "base", "dir", "toString",
}

func templateFuncs() template.FuncMap {
	all := sprig.HermeticTxtFuncMap()
	funcs := template.FuncMap{}
	for _, name := range sprigFuncs {
		funcs[name] = all[name]
	}
	funcs["slug"], funcs["toString"], funcs["printf"] = slug, textOf, format
	// Go's own, which are bounded too.
	funcs["print"], funcs["println"] = fmt.Sprint, fmt.Sprintln
	funcs["html"], funcs["js"], funcs["urlquery"] = template.HTMLEscaper, template.JSEscaper, template.URLQueryEscaper
	return funcs
}

var notInSlug = regexp.MustCompile(`[^a-z0-9]+`)

// slug makes a text fit for any place in a tag: lower case, letters and digits
// with single dashes between.
func slug(s string) string {
	return strings.Trim(notInSlug.ReplaceAllString(strings.ToLower(s), "-"), "-")
}

// templated is a flag's text. Where it has {{ }}, that is filled in from a row's
// columns; else the text stays as it is.
type templated struct {
	flag string // for messages, such as -t
	text string
	said string             // what messages call it where a person did not write it; else empty
	tmpl *template.Template // nil for plain text
	made meter
	// secret is what comes of secrets of the rows.
	secret secretFields
	// elsewhere are where rows have columns that others may not have; nil where that is not known.
	elsewhere func() map[string]mistakes.Place
}

// parseTemplate reads a flag's text. An unknown function or a syntax error is an
// *InputError.
func parseTemplate(flag, text string) (*templated, error) { return parseChecked(flag, text, shown) }

// Template reads the text of a flag that is not a plan's own, and returns what fills it in.
func Template(flag, text string) (func(columns map[string]any) (string, error), error) {
	t, err := parseTemplate(flag, text)
	if err != nil {
		return nil, err
	}
	return t.expand, nil
}

// parseParts reads the text of a flag that has several parts with commas between,
// such as type=oci,dest=FILE. What is filled in must not add to them.
func parseParts(flag, text string) (*templated, error) { return parseChecked(flag, text, shownPart) }

// parseChecked reads a flag's text, of which check makes what is filled in.
func parseChecked(flag, text string, check checkFunc) (*templated, error) {
	t := &templated{flag: flag, text: text}
	if !IsTemplate(text) {
		return t, nil
	}
	tmpl, err := template.New(flag).Option("missingkey=error").Funcs(t.made.bound(templateFuncs())).Parse(text)
	if err != nil {
		problem := parserPlace.ReplaceAllString(err.Error(), "")
		if strings.Count(text, "{{") > strings.Count(text, "}}") {
			return nil, &InputError{What: t.String(), Problems: []string{problem}, Hint: "a }} is missing: each {{ needs one, as in {{.Name}}"}
		}
		if !strings.HasSuffix(problem, "not defined") {
			return nil, t.wrong(problem)
		}
		return nil, &InputError{What: t.String(), Problems: []string{problem},
			Hint: "functions: slug " + strings.Join(sprigFuncs, " ") + ", and Go's own, such as index, len, printf, eq and gt"}
	}
	if loops(tmpl) {
		return nil, t.wrong("range, template, block and define are not for templates in flags")
	}
	if tmpl.Tree != nil {
		t.secret.in(tmpl.Root)
		checkActions(tmpl.Root)
	}
	t.tmpl = tmpl.Funcs(template.FuncMap{checkName: t.secret.noted(check)})
	return t, nil
}

// Where text/template begins its messages with, such as "template: -t:1: ".
var parserPlace = regexp.MustCompile(`^template: .*?:\d+: `)

// wrong says what is wrong with the template, for whatever row.
func (t *templated) wrong(problem string) error {
	return &InputError{What: t.String(), Problems: []string{problem}}
}

// String returns flag and text, as a person may have written them.
func (t *templated) String() string {
	if t.said != "" {
		return t.said
	}
	return fmt.Sprintf("%s %q", t.flag, t.text)
}

// IsTemplate tells whether a flag's text is one.
func IsTemplate(text string) bool { return strings.Contains(text, "{{") }

// varies tells whether the text is filled in from a row.
func (t *templated) varies() bool { return t.tmpl != nil }

// How text/template tells of a key that a map does not have, and of a key of
// what is no map at all, or nothing.
var noColumn = regexp.MustCompile(`at <(.+)>: (?:map has no entry for key|can't evaluate field|nil pointer evaluating|nil data; no entry for key) `)

// expand fills the template in. The error is an *InputError.
func (t *templated) expand(columns map[string]any) (string, error) {
	if t.tmpl == nil {
		return t.text, nil
	}
	t.made.mu.Lock()
	defer t.made.mu.Unlock()
	t.made.left = mostMade
	var b strings.Builder
	err := t.tmpl.Execute(&limitedWriter{w: &b, left: maxValue}, columns)
	var value valueError
	switch {
	case err == nil && strings.Contains(b.String(), "\x00"):
		return "", t.wrong("the result has a NUL character in it, which no flag can have")
	case err == nil:
		return b.String(), nil
	case errors.As(err, &value):
		return "", t.wrong(string(value))
	}
	if m := noColumn.FindStringSubmatch(err.Error()); m != nil {
		return "", t.noField(m[1], columns)
	}
	if m := nothingToDo.FindStringSubmatch(err.Error()); m != nil && columns[m[1]] != nil {
		return "", &InputError{What: t.String(), Problems: []string{fmt.Sprintf("the function %s is given nothing; did you mean {{.%[1]s}}?", m[1])}, Hint: dotHint}
	}
	_, problem, found := strings.Cut(err.Error(), fmt.Sprintf("executing %q at ", t.flag))
	if !found {
		problem = strings.TrimPrefix(err.Error(), "template: ")
	}
	problem = plainly(problem)
	if field := t.numberIn(columns); field != "" && strings.Contains(problem, "expected text; got a number") {
		problem += fmt.Sprintf(": %s is a number, of which toString makes a text, as in {{%s | toString | ...}}", field, field)
	}
	return "", t.wrong(problem)
}

// numberIn is the first field that the template hands to a function and that is a number; empty
// for none.
func (t *templated) numberIn(columns map[string]any) (field string) {
	walk(t.tmpl.Root, func(n parse.Node) bool {
		pipe, is := n.(*parse.PipeNode)
		if !is || len(pipe.Cmds) == 2 && len(pipe.Cmds[0].Args) == 1 && strings.HasPrefix(pipe.Cmds[1].String(), checkName+" ") {
			return true // it is only shown
		}
		for _, command := range pipe.Cmds {
			for _, arg := range command.Args {
				if f, is := arg.(*parse.FieldNode); is && field == "" && isNumber(columns, f.Ident) {
					field = f.String()
				}
			}
		}
		return field == ""
	})
	return field
}

// isNumber tells whether there is a number at a path in an object.
func isNumber(value any, path []string) bool {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	switch value.(type) {
	case json.Number, int, int64, float64:
		return true
	}
	return false
}

// usable are the fields that the flag can use: those of the row, and those that it is given
// where a template has them.
func (t *templated) usable(columns map[string]any) []string {
	names := slices.Collect(maps.Keys(columns))
	switch flag, _, _ := strings.Cut(t.flag, " "); flag {
	case tagFlag, outputFlag, cacheToFlag, MetadataFlag:
		names = append(names, gitSHAColumn, graphHashColumn)
	case "--base", "--target", "--build-arg", "--label", "--build-context", "--platform", secretFlag:
		names = append(names, gitSHAColumn)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// loops tells whether a template could run for longer than its text is long:
// by a range (over a large number, say) or by calling itself.
func loops(tmpl *template.Template) bool {
	if len(tmpl.Templates()) > 1 {
		return true
	}
	return tmpl.Tree != nil && !walk(tmpl.Root, func(n parse.Node) bool {
		switch n.(type) {
		case *parse.RangeNode, *parse.TemplateNode:
			return false
		}
		return true
	})
}

// uses tells whether the template has a column in it.
func (t *templated) uses(column string) bool {
	return t.tmpl != nil && !walk(t.tmpl.Root, func(n parse.Node) bool {
		switch n := n.(type) {
		case *parse.FieldNode:
			return n.Ident[0] != column
		case *parse.VariableNode:
			return len(n.Ident) < 2 || n.Ident[0] != "$" || n.Ident[1] != column
		}
		return true
	})
}

// walk visits a node and what is below it, until visit returns false. It tells
// whether all were visited.
func walk(n parse.Node, visit func(parse.Node) bool) bool {
	if !visit(n) {
		return false
	}
	for _, below := range children(n) {
		if !walk(below, visit) {
			return false
		}
	}
	return true
}

func children(n parse.Node) []parse.Node {
	branch := func(b *parse.BranchNode) []parse.Node {
		below := []parse.Node{b.Pipe, b.List}
		if b.ElseList != nil {
			below = append(below, b.ElseList)
		}
		return below
	}
	var below []parse.Node
	switch n := n.(type) {
	case *parse.ListNode:
		below = n.Nodes
	case *parse.ActionNode:
		below = []parse.Node{n.Pipe}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			below = append(below, c)
		}
	case *parse.CommandNode:
		below = n.Args
	case *parse.ChainNode:
		below = []parse.Node{n.Node}
	case *parse.IfNode:
		below = branch(&n.BranchNode)
	case *parse.WithNode:
		below = branch(&n.BranchNode)
	}
	return below
}

// tag fills a tag's template in and returns the tag with registry and tag
// spelled out. The error is an *InputError.
func (t *templated) tag(columns map[string]any) (string, error) {
	text, err := t.expand(columns)
	if err != nil {
		return "", err
	}
	tag, err := imageref.Parse(text)
	if err != nil {
		return "", t.notATag(text, columns, err)
	}
	if tag.Digest() != "" {
		return "", t.wrong(fmt.Sprintf("the result %q has a digest; a tag cannot", text))
	}
	return tag.String(), nil
}

// The longest text that a template may produce, in bytes.
const maxValue = 64 << 10

// limitedWriter refuses to write more than it was allowed to.
type limitedWriter struct {
	w    *strings.Builder
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, fmt.Errorf("the result is longer than %d bytes", maxValue)
	}
	l.left -= len(p)
	return l.w.Write(p)
}
