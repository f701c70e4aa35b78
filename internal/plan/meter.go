package plan

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"text/template"
)

// mostMade is how much all functions together may make in one run of a template, in
// bytes: a few times the longest row. Chained functions could make any amount of a
// short text.
const mostMade = 64 << 20

// meter bounds what the functions of a template make while it is filled in.
type meter struct {
	mu   sync.Mutex // held while the template runs
	left int
}

// bound makes functions that fail before they make more than is left.
func (m *meter) bound(funcs template.FuncMap) template.FuncMap {
	bounded := template.FuncMap{}
	for name, f := range funcs {
		bounded[name] = m.boundOne(name, reflect.ValueOf(f))
	}
	return bounded
}

func (m *meter) boundOne(name string, f reflect.Value) any {
	t := f.Type()
	var in []reflect.Type
	for i := range t.NumIn() {
		in = append(in, t.In(i))
	}
	failure := reflect.TypeFor[error]()
	call := f.Call
	if t.IsVariadic() {
		call = f.CallSlice
	}
	return reflect.MakeFunc(reflect.FuncOf(in, []reflect.Type{t.Out(0), failure}, t.IsVariadic()), func(args []reflect.Value) []reflect.Value {
		if most := growth[name]; most != nil && most(given(args)) > m.left {
			m.left = 0
			return []reflect.Value{reflect.Zero(t.Out(0)), reflect.ValueOf(tooMuch(name)).Convert(failure)}
		}
		made := call(args)
		if len(made) == 1 {
			made = append(made, reflect.Zero(failure))
		}
		if m.left -= sizeOf(made[0].Interface()); m.left < 0 {
			return []reflect.Value{reflect.Zero(t.Out(0)), reflect.ValueOf(tooMuch(name)).Convert(failure)}
		}
		return made
	}).Interface()
}

func tooMuch(name string) valueError {
	return valueError(fmt.Sprintf("%s makes too long a text of what it is given: all functions together may make %d bytes", name, mostMade))
}

func given(args []reflect.Value) []any {
	all := make([]any, len(args))
	for i, a := range args {
		all[i] = a.Interface()
	}
	return all
}

// growth tells of functions that can make much of little how long the result can be
// for what they are given.
var growth = map[string]func(args []any) int{
	"replace": func(args []any) int {
		before, after, text := args[0].(string), args[1].(string), args[2].(string)
		return len(text) + strings.Count(text, before)*max(len(after)-len(before), 0)
	},
	"regexReplaceAll": func(args []any) int {
		// Matches do not overlap, so that each $ stands for the whole text at most.
		text, with := args[1].(string), args[2].(string)
		return len(text)*(1+strings.Count(with, "$")) + (len(text)+1)*len(with)
	},
	"regexReplaceAllLiteral": func(args []any) int {
		text, with := args[1].(string), args[2].(string)
		return len(text) + (len(text)+1)*len(with)
	},
	"splitList": func(args []any) int {
		between, text := args[0].(string), args[1].(string)
		return len(text) + (strings.Count(text, between)+1)*sizeOfOther
	},
	"join":     func(args []any) int { return sizeOf(args[1]) + lengthOf(args[1])*len(args[0].(string)) },
	"printf":   func(args []any) int { return printed(args[0].(string), args[1].([]any)) },
	"print":    escaped,
	"println":  escaped,
	"html":     escaped,
	"js":       escaped,
	"urlquery": escaped,
}

// escaped is for functions that write a character in six at most.
func escaped(args []any) int { return 6 * sizeOf(args[0]) }

// directive matches what printf fills in, with width and precision.
var directive = regexp.MustCompile(`%[-+# 0]*(?:\[\d+\])?(\d+|\*)?(?:\.(?:\[\d+\])?(\d+|\*)?)?`)

// widest is what fmt takes for a width or a precision, and longestNumber what it makes
// of a number without one.
const (
	widest        = 1e6
	longestNumber = 400
)

func printed(pattern string, args []any) int {
	longest := longestNumber
	for _, a := range args {
		longest = max(longest, 6*sizeOf(a)) // quoted or in hexadecimal
	}
	most := len(pattern)
	for _, d := range directive.FindAllStringSubmatch(pattern, -1) {
		most += longest + widthOf(d[1]) + widthOf(d[2])
	}
	return most
}

func widthOf(digits string) int {
	if digits == "" {
		return 0
	}
	if n, err := strconv.Atoi(digits); err == nil {
		return min(n, widest)
	}
	return widest
}

// sizeOfOther is about what a value takes beside its texts.
const sizeOfOther = 32

// sizeOf is about what a value takes, and at least what its texts do.
func sizeOf(value any) int {
	switch v := value.(type) {
	case string:
		return len(v)
	case []string:
		size := 0
		for _, s := range v {
			size += sizeOfOther + len(s)
		}
		return size
	case []any:
		size := 0
		for _, one := range v {
			size += sizeOfOther + sizeOf(one)
		}
		return size
	case map[string]any:
		size := 0
		for key, one := range v {
			size += sizeOfOther + len(key) + sizeOf(one)
		}
		return size
	case fmt.Stringer: // a number as it was written
		return len(v.String())
	}
	return sizeOfOther
}

func lengthOf(list any) int {
	switch l := list.(type) {
	case []string:
		return len(l)
	case []any:
		return len(l)
	}
	return 1
}
