package plan

import (
	"slices"
	"text/template/parse"

	"github.com/stoker-build/stoker/internal/redact"
)

// secretFields are what a template makes of fields that look as if they held secrets: a
// function may have changed what is in the row. The lock of the template's meter guards them.
type secretFields struct {
	actions map[string]bool // those with such a field, as a checkFunc is told of them
	made    map[string]bool
}

// in finds the actions of a template.
func (s *secretFields) in(root parse.Node) {
	walk(root, func(n parse.Node) bool {
		if action, ok := n.(*parse.ActionNode); ok && hasSecretField(action) {
			if s.actions == nil {
				s.actions, s.made = map[string]bool{}, map[string]bool{}
			}
			s.actions[action.Pipe.String()] = true
		}
		return true
	})
}

func hasSecretField(action parse.Node) bool {
	return !walk(action, func(n parse.Node) bool {
		var names []string
		switch n := n.(type) {
		case *parse.FieldNode:
			names = n.Ident
		case *parse.VariableNode:
			names = n.Ident
		case *parse.ChainNode:
			names = n.Field
		case *parse.CommandNode:
			names = indexed(n)
		}
		return !slices.ContainsFunc(names, redact.LooksSecret)
	})
}

// indexed are the names by which a command takes fields, as in index . "api-key".
func indexed(command *parse.CommandNode) (names []string) {
	if f, is := command.Args[0].(*parse.IdentifierNode); !is || f.Ident != "index" {
		return nil
	}
	for _, arg := range command.Args[1:] {
		if s, is := arg.(*parse.StringNode); is {
			names = append(names, s.Text)
		}
	}
	return names
}

// noted is a checkFunc that also notes what such actions come to.
func (s *secretFields) noted(check checkFunc) checkFunc {
	return func(action string, value any) (string, error) {
		text, err := check(action, value)
		if err == nil && s.actions[action] {
			s.made[text] = true
		}
		return text, err
	}
}
