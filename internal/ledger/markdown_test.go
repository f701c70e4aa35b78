package ledger

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/visible"
)

// evil has a title, a colour, a cut-off sequence and an override of the direction in
// it, in both ways to write them.
const evil = "evil\x1b]0;title\x07\x1b[31m\u009d0;title\u009c\u202e\r\x1b]0;"

// Whatever the texts of a summary are, the page has nothing in it that a terminal obeys.
func TestMarkdownIsVisible(t *testing.T) {
	var s Summary
	fill(reflect.ValueOf(&s).Elem())
	for _, interrupted := range []bool{false, true} {
		s.Interrupted = interrupted
		for _, links := range []bool{false, true} {
			page := strings.ReplaceAll(s.Markdown(links, ""), "\n", "")
			if visible.JSON(page) != page || strings.Contains(page, "title\x07") {
				t.Errorf("%q", page)
			}
			if n := strings.Count(page, "evil"); n < 10 {
				t.Errorf("no more than %d texts are shown: %q", n, page)
			}
		}
	}
}

// fill puts a text with terminal sequences wherever a value has room for one.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(3)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type() != reflect.TypeFor[Time]() {
				fill(v.Field(i))
			}
		}
	}
}
