package choose

import (
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
)

// mostSteps is how often an expression may look at elements of lists for one row: that is about
// a second. Lists within lists of a long row could go on for days. It is counted, not
// timed, so that every machine keeps the same rows.
const mostSteps = 10_000_000

// steps counts how often an expression looks at an element, for the row at hand.
type steps struct{ left int }

const stepsHint = "lists within lists multiply: look at one, or choose the rows beforehand and name them with --select"

var errManySteps = fmt.Errorf("it takes too long: it looks at elements of lists more than %d times", mostSteps)

// stepName is the function that counts; no person can write its name.
const stepName = "one step"

// count has all that an expression does for each element of a list be counted.
func (s *steps) count() []expr.Option {
	counting := expr.Function(stepName, func(results ...any) (any, error) {
		if s.left--; s.left < 0 {
			return nil, errManySteps
		}
		return results[0], nil
	})
	return []expr.Option{counting, expr.Patch(counter{})}
}

// counter passes what is done for an element through the function that counts.
type counter struct{}

// Visit implements ast.Visitor.
func (counter) Visit(n *ast.Node) {
	if p, is := (*n).(*ast.PredicateNode); is {
		p.Node = &ast.CallNode{Callee: &ast.IdentifierNode{Value: stepName}, Arguments: []ast.Node{p.Node}}
	}
}
