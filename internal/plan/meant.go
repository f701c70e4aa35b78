package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template/parse"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/rows"
)

// Where text/template tells of a function that there is none of, or that needs more than it is
// given: a name without a dot is one.
var (
	noFunction  = regexp.MustCompile(`^function "(\w+)" not defined$`)
	nothingToDo = regexp.MustCompile(`wrong number of args for (\w+): want .* got 0$`)
)

// dotHint says how fields are written.
const dotHint = "a field has a dot before its name; without one a name is a function's"

// fieldForFunction has an error about a function that there is none of name the field that was
// meant.
func fieldForFunction(err error, columns []string) error {
	var input *InputError
	if !errors.As(err, &input) || len(input.Problems) != 1 {
		return err
	}
	if m := noFunction.FindStringSubmatch(input.Problems[0]); m != nil {
		if field := fieldNamed(m[1], columns); field != "" {
			input.Problems[0] += fmt.Sprintf("; did you mean {{.%s}}?", field)
			input.Hint = dotHint
		}
	}
	return err
}

// fieldNamed is the field that has a name; empty for none.
func fieldNamed(name string, fields []string) string {
	if slices.Contains(fields, name) {
		return name
	}
	i := slices.IndexFunc(fields, func(f string) bool { return strings.EqualFold(f, name) })
	if i < 0 {
		return ""
	}
	return fields[i]
}

var (
	action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	// braced is a field as other programs write it.
	braced = regexp.MustCompile(`\$?\{(\w+)\}`)
)

// bracesMeant asks whether a field was meant where the text has its name in braces as other programs
// want it; empty where it has none such.
func (t *templated) bracesMeant(columns map[string]any) string {
	for _, m := range braced.FindAllStringSubmatch(action.ReplaceAllString(t.text, ""), -1) {
		if field := fieldNamed(m[1], t.usable(columns)); field != "" {
			return fmt.Sprintf("did you mean {{.%s}} where it has %s?", field, m[0])
		}
	}
	return ""
}

// fieldForBraces has an error about a source that is not there name the field of the rows that was
// meant in its path.
func fieldForBraces(err error, in rows.Input, paths ...*templated) error {
	var input *InputError
	if !errors.As(err, &input) || len(in.Rows) == 0 {
		return err
	}
	for _, t := range paths {
		if hint := t.bracesMeant(in.Rows[0].Columns); hint != "" {
			input.Hint = hint
		}
	}
	return err
}

// notATag says why a template makes no tag, and what was probably meant.
func (t *templated) notATag(text string, columns map[string]any, err error) error {
	e := &InputError{What: t.String(), Problems: []string{fmt.Sprintf("the result %q is not a valid tag: %s", text, err)}}
	if e.Hint = t.bracesMeant(columns); e.Hint != "" {
		return e
	}
	if onlyUpper(text) {
		e.Hint = inLowerCase
		if field := t.upperIn(columns); field != "" {
			e.Hint = fmt.Sprintf("lower makes it so, as in {{%s | lower}}", field)
		}
	}
	return e
}

const inLowerCase = "write the repository in lower case"

// onlyUpper tells whether all that is wrong with a tag are letters in upper case.
func onlyUpper(text string) bool {
	_, err := imageref.Parse(strings.ToLower(text))
	return err == nil
}

// upperIn is the first field of the template that has letters in upper case; empty for none.
func (t *templated) upperIn(columns map[string]any) (field string) {
	if t.tmpl == nil {
		return ""
	}
	walk(t.tmpl.Root, func(n parse.Node) bool {
		if f, is := n.(*parse.FieldNode); is && len(f.Ident) == 1 {
			if text, is := columns[f.Ident[0]].(string); is && text != strings.ToLower(text) {
				field = f.String()
			}
		}
		return field == ""
	})
	return field
}

// firstPlaces are where the rows of an input have each of their columns first.
func firstPlaces(in rows.Input) func() map[string]mistakes.Place {
	return sync.OnceValue(func() map[string]mistakes.Place {
		first := map[string]mistakes.Place{}
		for _, row := range in.Rows {
			for column, value := range row.Columns {
				if _, known := first[column]; !known && value != nil {
					first[column] = row.Place
				}
			}
		}
		return first
	})
}

// noField says that a row does not have a field, such as .id, and which was meant or which
// rows have it.
func (t *templated) noField(field string, columns map[string]any) error {
	e := &InputError{What: t.String(), Problems: []string{"there is no field " + field}}
	if name, own := strings.CutPrefix(field, "."); own && t.elsewhere != nil {
		if place, is := t.elsewhere()[name]; is {
			e.Problems[0] += fmt.Sprintf(", which other rows have, such as %s", place)
			e.Hint = fmt.Sprintf("rows without it get a default by {{index . %q | default \"...\"}}", name)
			return e
		}
	}
	e.Problems[0] += fieldMeant(field, t.usable(columns))
	e.Hint = "fields: ." + plural.Some(t.usable(columns), columnsInHint, " .")
	return e
}

// How many fields a hint names.
const columnsInHint = 40

// fieldMeant ends a message about a field that a row does not have with the one that
// was probably meant.
func fieldMeant(field string, usable []string) string {
	name, own := strings.CutPrefix(field, ".")
	if !own || !word.MatchString(name) {
		return ""
	}
	return mistakes.DidYouMean(name, ".", usable)
}
