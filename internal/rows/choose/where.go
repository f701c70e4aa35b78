package choose

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/rows"
)

// whereText is the flag as a person may have written it.
func whereText(text string) string {
	if strings.Contains(text, "'") {
		return fmt.Sprintf("%s %q", WhereFlag, text)
	}
	return fmt.Sprintf("%s '%s'", WhereFlag, text)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// where keeps the rows of which the expression is true.
func (c Choice) where(in rows.Input) ([]rows.Row, error) {
	var s steps
	program, err := compile(c.Where, in.Rows, s.count()...)
	if err != nil {
		return nil, err
	}
	var kept []rows.Row
	var found mistakes.Findings
	for _, row := range in.Rows {
		s.left = mostSteps
		is, err := holds(program, row)
		if s.left < 0 {
			found.Add(row.Place, &mistakes.InputError{What: whereText(c.Where), Problems: []string{errManySteps.Error()}, Hint: stepsHint})
			break // with the others it would take as long
		}
		if err != nil {
			problem := err.Error() + emptyIn(program.Node(), row)
			found.Add(row.Place, &mistakes.InputError{What: whereText(c.Where), Problems: []string{problem}, Hint: typesHint})
			continue
		}
		if is {
			kept = append(kept, row)
		}
	}
	if err := found.Err(in.Name); err != nil || len(kept) > 0 {
		return kept, err
	}
	return nil, nowhere(c.Where, program.Node(), in.Rows)
}

// nowhere tells of fields within columns that no row has, where an expression is true of no
// row; nil where all are there.
func nowhere(text string, root ast.Node, all []rows.Row) error {
	paths := fieldPaths{}
	ast.Walk(&root, paths)
	e := &mistakes.InputError{What: whereText(text), Hint: "so that the expression is true of no row, and nothing would be built"}
	for _, path := range sortedKeys(paths) {
		beside := map[string]bool{}
		for _, row := range all {
			fieldsAt(row.Columns, paths[path][:len(paths[path])-1], beside)
		}
		if name := paths[path][len(paths[path])-1]; len(beside) > 0 && !beside[name] {
			e.Problems = append(e.Problems, fmt.Sprintf("no row has %s%s", path, mistakes.DidYouMean(name, strings.TrimSuffix(path, name), sortedKeys(beside))))
		}
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// emptyIn names the columns of an expression that are empty texts in a row, since that is what
// makes no number; nothing where none is.
func emptyIn(root ast.Node, row rows.Row) string {
	names := columnNames{}
	ast.Walk(&root, names)
	empty := slices.DeleteFunc(sortedKeys(names), func(name string) bool { return row.Columns[name] != "" })
	if len(empty) == 0 {
		return ""
	}
	return fmt.Sprintf(": here %s is empty, which %s != \"\" and ... passes over", strings.Join(empty, " and "), empty[0])
}

// columnNames are those that an expression has.
type columnNames map[string]bool

// Visit implements ast.Visitor.
func (c columnNames) Visit(n *ast.Node) {
	if name, is := (*n).(*ast.IdentifierNode); is {
		c[name.Value] = true
	}
}

// fieldsAt notes the names of what an object has, which is at a path in another.
func fieldsAt(object map[string]any, path []string, names map[string]bool) {
	for _, name := range path {
		object, _ = object[name].(map[string]any)
	}
	for name := range object {
		names[name] = true
	}
}

// fieldPaths are the fields of objects that an expression names, by how a person writes them.
type fieldPaths map[string][]string

// Visit implements ast.Visitor.
func (p fieldPaths) Visit(n *ast.Node) {
	if path := pathOf(*n); len(path) > 1 {
		p[strings.Join(path, ".")] = path
	}
}

// pathOf returns the names that lead to a field, from its column; nil for what is no field.
func pathOf(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return []string{n.Value}
	case *ast.ChainNode:
		return pathOf(n.Node)
	case *ast.MemberNode:
		if name, is := n.Property.(*ast.StringNode); is {
			if above := pathOf(n.Node); above != nil {
				return append(above, name.Value)
			}
		}
	}
	return nil
}

const (
	typesHint    = `it must be true or false of each row; a row without a column has nil for it, and values of CSV, TSV and text are texts: int(stars) > 100 and lang in ["go", "c"] are such expressions`
	templateHint = `it is no template: a column stands without braces and without a dot before it, as in stars > 100`
	// columnsNamed is how many columns a hint names.
	columnsNamed = 40
)

// asInTemplates finds a column that is written as templates have it.
var asInTemplates = regexp.MustCompile(`\{\{|(?:^|[\s(!])\.[\pL_]`)

// compile reads an expression over the columns that rows have.
func compile(text string, all []rows.Row, options ...expr.Option) (*vm.Program, error) {
	columns := types.Map{}
	for _, row := range all {
		for name := range row.Columns {
			columns[name] = types.Any
		}
	}
	// The time is not the same on every machine.
	program, err := expr.Compile(text, append(options, expr.Env(columns), expr.DisableBuiltin("now"))...)
	if err == nil {
		return program, nil
	}
	wrong := &mistakes.InputError{What: whereText(text), Problems: []string{plainly(err)}, Hint: typesHint}
	if asInTemplates.MatchString(text) {
		wrong.Hint = templateHint
	}
	if m := unknownName.FindStringSubmatch(err.Error()); m != nil {
		names := sortedKeys(columns)
		wrong.Problems = []string{fmt.Sprintf("no row has a column %s, at %s%s", m[1], place(err), mistakes.DidYouMean(m[1], "", names))}
		wrong.Hint = "columns: " + plural.Some(names, columnsNamed, " ")
	}
	return nil, wrong
}

var unknownName = regexp.MustCompile(`^unknown name (\S+)`)

// holds tells whether the expression is true of a row.
func holds(program *vm.Program, row rows.Row) (bool, error) {
	result, err := expr.Run(program, rows.Map(row.Columns, plain))
	if err != nil {
		return false, errors.New(plainly(err))
	}
	is, ok := result.(bool)
	if !ok {
		return false, fmt.Errorf("it is neither true nor false, but %s", kindOf(result))
	}
	return is, nil
}

// plain makes a number of what is written as one, for expressions.
func plain(value any) any {
	written, is := value.(json.Number)
	if !is {
		return value
	}
	if number, err := written.Float64(); err == nil {
		return number
	}
	return written.String()
}

// kindOf names what a value is.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "nil"
	case string:
		return "a text"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return "a number"
}

// plainly says what is wrong with an expression, without the library's drawing of it and
// the names of Go's types.
func plainly(err error) string {
	problem, _, _ := strings.Cut(err.Error(), "\n")
	problem = position.ReplaceAllString(problem, "")
	problem = goFunction.ReplaceAllString(problem, "")
	problem = plainWords.Replace(problem)
	if at := place(err); at != "" {
		problem += ", at " + at
	}
	return problem
}

var plainWords = strings.NewReplacer("<nil>", "nil", "map[string]interface {}", "an object", "[]interface {}", "a list", "interface {}", "any value",
	"string", "text", "int64", "number", "float64", "number")

// goFunction is how Go's own errors begin that the library quotes.
var goFunction = regexp.MustCompile(`strconv\.\w+: parsing `)

// position is how the library ends the first line of a message.
var position = regexp.MustCompile(` \(\d+:\d+\)$`)

// place is where an error is in an expression.
func place(err error) string {
	var wrong *file.Error
	if !errors.As(err, &wrong) || wrong.Line == 0 {
		return ""
	}
	if wrong.Line == 1 {
		return fmt.Sprintf("column %d", wrong.Column+1)
	}
	return fmt.Sprintf("line %d, column %d", wrong.Line, wrong.Column+1)
}
