package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/stoker-build/stoker/internal/plural"
)

// valueError says that a value cannot be filled into a template.
type valueError string

func (e valueError) Error() string { return string(e) }

// checkFunc makes text of what an action of a template comes to. It is told the
// action, for messages.
type checkFunc func(action string, value any) (string, error)

// The name of a template's checkFunc. It is made known to a template after that
// was read, so that nobody can write it.
const checkName = "stokerCheck"

// checkActions puts the checkFunc behind all that a template fills in, the way
// that html/template does with what it escapes.
func checkActions(root parse.Node) {
	walk(root, func(n parse.Node) bool {
		if action, ok := n.(*parse.ActionNode); ok && len(action.Pipe.Decl) == 0 {
			text := action.Pipe.String()
			action.Pipe.Cmds = append(action.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Args: []parse.Node{
				parse.NewIdentifier(checkName).SetPos(action.Pos),
				&parse.StringNode{NodeType: parse.NodeString, Quoted: strconv.Quote(text), Text: text},
			}})
		}
		return true
	})
}

// shown is the checkFunc of a flag that is one text. What is no text, number or
// truth value would be written as Go writes it, which nobody can mean.
func shown(action string, value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", valueError(fmt.Sprintf("{{%s}}: a field in it is not there, and nothing is said to stand for it", action))
	case map[string]any:
		return "", valueError(fmt.Sprintf("{{%s}} is an object: take one of its fields, %s", action, fieldsOf(action, v)))
	case []any, []string:
		return "", valueError(fmt.Sprintf(`{{%s}} is a list: take one of it, as in {{index %s 0}}, or make it one text, as in {{join "," %s}}`,
			action, operand(action), operand(action)))
	case json.Number:
		return v.String(), nil
	}
	return fmt.Sprint(value), nil
}

// textOf is toString: what is no text, number or truth value has none.
func textOf(value any) (string, error) { return shown("toString", value) }

// format is printf, as far as it can do what it is asked for: Go would write what is
// wrong into the text.
func format(pattern string, values ...any) (string, error) {
	for _, v := range values {
		if _, err := shown("printf", v); err != nil {
			return "", err
		}
	}
	text := fmt.Sprintf(pattern, values...)
	if strings.Contains(text, "%!") {
		return "", valueError(fmt.Sprintf("printf %q does not fit what it is given", pattern))
	}
	return text, nil
}

// shownPart is the checkFunc of a flag whose parts have commas between.
func shownPart(action string, value any) (string, error) {
	text, err := shown(action, value)
	if err == nil && strings.ContainsAny(text, ",\"\r\n") {
		err = valueError(fmt.Sprintf("{{%s}} is %q: with a comma, a quote or a line break in it, it would be read as more than one part", action, text))
	}
	return text, err
}

// Actions that are a field alone, and names of fields that can be written so.
var (
	fieldOnly = regexp.MustCompile(`^(\.\w+)+$`)
	word      = regexp.MustCompile(`^[A-Za-z_]\w*$`)
)

// operand is an action as an argument of a function.
func operand(action string) string {
	if fieldOnly.MatchString(action) {
		return action
	}
	return "(" + action + ")"
}

// fieldsOf names the fields of an object that an action comes to.
func fieldsOf(action string, object map[string]any) string {
	prefix := ""
	switch {
	case fieldOnly.MatchString(action):
		prefix = action + "."
	case action == ".":
		prefix = "."
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if prefix != "" && word.MatchString(name) {
			name = prefix + name
		}
		names = append(names, name)
	}
	return plural.Some(names, columnsInHint, " ")
}

// What text/template and the functions call kinds of values in their messages, and
// what a person does.
var plainWords = []struct {
	goes *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`map\[string\](interface \{\}|any)`), "an object"},
	{regexp.MustCompile(`\[\](interface \{\}|any|string)`), "a list"},
	{regexp.MustCompile(`\b(u?int(8|16|32|64)?|float(32|64)|json\.Number)\b`), "a number"},
	{regexp.MustCompile(`\bstring\b`), "text"},
	{regexp.MustCompile(`\bbool\b`), "true or false"},
	{regexp.MustCompile(`interface \{\}`), "a value"},
	{regexp.MustCompile(`\b(reflect|runtime error): `), ""},
}

// plainly says a template's fault without the names of Go's types.
func plainly(problem string) string {
	for _, w := range plainWords {
		problem = w.goes.ReplaceAllString(problem, w.word)
	}
	return problem
}
