package check

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// Each fault of an input has its own hint, jobs and places; where its place is no line its
// words tell it.
func TestTakeInput(t *testing.T) {
	found := mistakes.Findings{Jobs: jobs(4)}
	found.AddOf("job-0", mistakes.Line(3), &mistakes.InputError{What: "-f", Problems: []string{"none"}, Hint: "name it"})
	found.AddOf("job-1", mistakes.Place{Unit: "row", Number: 2}, &mistakes.InputError{What: "PATH", Problems: []string{"no directory"}})
	found.AddOf("job-2", mistakes.Place{Name: "c/Dockerfile"}, &mistakes.InputError{What: "c/Dockerfile", File: "c/Dockerfile", Line: 7, Problems: []string{"no such word"}})
	var r Report
	r.TakeInput(found.Err("in.txt"))
	var got []string
	for _, f := range r.Findings(asIs) {
		got = append(got, fmt.Sprint(f.Text, " | ", f.Hint, " | ", f.Jobs, f.Places))
	}
	want := []string{"-f: none | name it | [job-0] [in.txt:3]", "in.txt: row 2: PATH: no directory |  | [job-1] []", "c/Dockerfile: no such word |  | [job-2] [c/Dockerfile:7]"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if h := r.Headline(); h != "checked the input: 3 faults in 3 jobs; nothing else could be asked" {
		t.Error(h)
	}
	junit, err := r.JUnit(time.Now(), 0, asIs)
	if err != nil || !strings.Contains(string(junit), `tests="4" failures="3" errors="0" skipped="1"`) {
		t.Errorf("%v\n%s", err, junit)
	}
	var plain Report
	plain.TakeInput(errors.New("in.txt cannot be read"))
	if f := plain.Findings(asIs); len(f) != 1 || f[0].Text != "in.txt cannot be read" || f[0].Kind != Input {
		t.Errorf("%+v", f)
	}
}
