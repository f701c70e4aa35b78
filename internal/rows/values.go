package rows

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Tidy makes a value that JSON has fit for templates: whole numbers are int64, so that
// they can be compared and counted with; others stay as they are written, since 3.10
// may be a version. A null is as if its key were not there.
func Tidy(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
	case []any:
		for i := range v {
			v[i] = Tidy(v[i])
		}
	case map[string]any:
		for key, inner := range v {
			if inner == nil {
				delete(v, key)
				continue
			}
			v[key] = Tidy(inner)
		}
	}
	return value
}

// canonical is the same text for the same columns, whatever format they were read from:
// some have text alone, where others have numbers.
func canonical(columns map[string]any) string {
	text, err := json.Marshal(Map(columns, plain)) // which sorts an object's keys
	if err != nil {
		return fmt.Sprint(columns) // no value of a row is such
	}
	return string(text)
}

// plain makes texts of numbers and truth values.
func plain(value any) any {
	if value == nil {
		return nil
	}
	return Text(value)
}

// Map is a value with something else for each one in it that is no object and no list.
func Map(value any, leaf func(any) any) any {
	switch v := value.(type) {
	case map[string]any:
		object := make(map[string]any, len(v))
		for key, inner := range v {
			object[key] = Map(inner, leaf)
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = Map(v[i], leaf)
		}
		return list
	}
	return leaf(value)
}

// Text is a value that is a text, a number or a truth value, as a template writes it.
func Text(value any) string { return fmt.Sprint(value) }
