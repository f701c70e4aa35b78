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
		{"a file, once", []Place{named(1, "a/x")}, []error{&InputError{What: "a/x", Problems: []string{"no"}}}, "in: a/x: no"},
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

// Each fault has its own hint, places and jobs, and is one of the problems.
func TestFaultsInParts(t *testing.T) {
	found := Findings{Jobs: []string{"a", "b", "c", "d", "e", "f"}}
	found.AddOf("a", Line(1), &InputError{What: "-f", Problems: []string{"none"}, Hint: "give one"})
	found.AddOf("b", Line(2), &InputError{What: "PATH", Problems: []string{"no directory"}})
	found.AddOf("c", Line(3), &InputError{What: "PATH", Problems: []string{"no directory"}})
	for i, job := range []string{"d", "e", "f", "a"} {
		file := job + "/Dockerfile"
		found.AddOf(job, Line(4+i), &InputError{What: file, File: file, Line: 7, Problems: []string{"does not parse"}})
	}
	var e *InputError
	if !errors.As(found.Err("in"), &e) || len(e.Faults) != len(e.Problems) || len(e.Jobs) != 6 {
		t.Fatalf("%+v", e)
	}
	var got []string
	for _, f := range e.Faults {
		got = append(got, fmt.Sprint(f.Text, " | ", f.Hint, " | ", f.Places, f.Jobs, f.File, f.Line))
	}
	want := []string{
		"-f: none | give one | [line 1] [a]0",
		"PATH: no directory |  | [line 2 line 3] [b c]0",
		"4 faults like this: d/Dockerfile: does not parse |  | [line 4 line 5 line 6 line 7] [d e f a]0",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDidYouMean(t *testing.T) {
	for word, want := range map[string]string{"strs": "; did you mean .stars?", "STARS": "; did you mean .stars?", "xy": "", "ID": "; did you mean .id?", "nowhere": ""} {
		if got := DidYouMean(word, ".", []string{"id", "stars", "xyz"}); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// Texts are changed in all parts of an error, and in all errors that it is made of.
func TestReword(t *testing.T) {
	one := &InputError{What: "a-pw", Problems: []string{"b-pw"}, Hint: "c-pw", Faults: []Fault{{Text: "d-pw", Hint: "e-pw"}}}
	other := &InputError{What: "f", Problems: []string{"g-pw"}}
	err := fmt.Errorf("x: %w", errors.Join(nil, one, fmt.Errorf("y: %w", other), errors.New("z")))
	Reword(err, func(s string) string { return strings.ReplaceAll(s, "pw", "*") })
	Reword(nil, nil)
	got := one.Error() + one.Faults[0].Text + one.Faults[0].Hint + other.Error()
	if want := "a-*: b-*\nc-*d-*e-*f: g-*"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
