package mistakes

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestFindings(t *testing.T) {
	row := func(n int) Place { return Place{Unit: "row", Number: n} }
	named := func(n int, name string) Place { return Place{Number: n, Name: name} }
	same := errors.New("it is bad")
	unlike := func(n int) error { return fmt.Errorf("%q is bad", fmt.Sprint(n)) }
	tests := []struct {
		name   string
		places []Place
		errs   []error
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"one", []Place{Line(3)}, []error{same}, "in: line 3: it is bad"},
		{"the same", []Place{row(1), row(7)}, []error{same, same}, "in: rows 1, 7: it is bad"},
		{"by names", []Place{named(1, "a/x"), named(2, "b/x")}, []error{same, same}, "in: a/x, b/x: it is bad"},
		{"of the whole input", []Place{row(1), {}}, []error{same, errors.New("there is more")}, "in: 2 problems:\n  row 1: it is bad\n  there is more"},
		{"alike", []Place{row(5), row(2), row(3), row(4)}, []error{unlike(5), unlike(2), unlike(3), unlike(4)}, `in: rows 2, 3, 4 and 1 more, such as row 5: "5" is bad`},
		{"a hint of its own", []Place{row(1)}, []error{&InputError{What: "--x", Problems: []string{"no"}, Hint: "do y"}}, "in: row 1: --x: no\ndo y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := Findings{Hint: "do x"}
			for i, err := range tt.errs {
				found.Add(tt.places[i], err)
			}
			got := ""
			if err := found.Err("in"); err != nil {
				got = strings.TrimSuffix(err.Error(), "\ndo x")
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDidYouMean(t *testing.T) {
	for word, want := range map[string]string{"strs": "; did you mean .stars?", "STARS": "; did you mean .stars?", "xy": "", "ID": "; did you mean .id?", "nowhere": ""} {
		if got := DidYouMean(word, ".", []string{"id", "stars", "xyz"}); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
