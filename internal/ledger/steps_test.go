package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func stepOf(id, text string, env map[string]string, ran int, seconds float64) Step {
	return Step{ID: id, Jobs: 1, Ran: ran, Seconds: seconds, StepForm: &StepForm{Kind: StepRun, Text: text, File: "Dockerfile", Line: 3, Env: env}}
}

// Steps are read as they were written; those of one form have it once.
func TestStepsAreReadBack(t *testing.T) {
	one := stepOf("a", "RUN <make> & more", map[string]string{"A": "1"}, 2, 1.5)
	one.On, one.Bytes = []string{"x", "y"}, new(int64(0))
	alike := Step{ID: "b", Jobs: 3, StepForm: one.StepForm}
	all := []Step{one, alike, stepOf("c", "RUN c", nil, 0, 0)}
	data, err := EncodeSteps(all)
	if err != nil || strings.Count(string(data), "RUN <make> & more") != 1 {
		t.Fatalf("%v\n%s", err, data)
	}
	if got, err := decodeSteps(data); err != nil || !reflect.DeepEqual(got, all) || got[0].StepForm != got[1].StepForm {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, all)
	}
	for text, says := range map[string]string{
		`{"id":"b","like":"a","jobs":1}`:                     "line 1 is like a step that does not come before it",
		string(data) + "{\n":                                 "steps.jsonl: line 4",
		"\n" + `{"id":"b","jobs":"x"}`:                       "steps.jsonl: line 2",
		`{"id":"b","jobs":1,"ran":0,"cached":0,"seconds":0}`: "line 1",
	} {
		if _, err := decodeSteps([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A run that is killed has what was known of its steps by then, and goes on with it.
func TestStepsOfKilledRun(t *testing.T) {
	dir := t.TempDir()
	note := func(l *Ledger, steps ...Step) {
		t.Helper()
		if err := l.NoteSteps(func() []Step { return steps }); err != nil {
			t.Fatal(err)
		}
	}
	read := func(want string) {
		t.Helper()
		steps, err := ReadSteps(dir)
		var got []string
		for _, s := range steps {
			got = append(got, fmt.Sprintf("%s %s %d", s.ID, s.Text, s.Ran))
		}
		if err != nil || strings.Join(got, ", ") != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	l, _ := begin(t, dir, Refuse, plan("one"))
	a, b := stepOf("a", "RUN a", nil, 0, 0), stepOf("b", "RUN b", nil, 0, 0)
	note(l, a, b)
	a.Ran = 1
	note(l, a)
	note(l)
	read("a RUN a 1, b RUN b 0")
	path := filepath.Join(dir, StepsFile)
	data, err := os.ReadFile(path)
	if err != nil || strings.Count(string(data), "RUN a") != 1 {
		t.Fatalf("%v\n%s", err, data)
	}
	if err := errors.Join(l.Close(), os.WriteFile(path, append(data, `{"id":"c","kind":"st`...), 0o644)); err != nil {
		t.Fatal(err)
	}
	read("a RUN a 1, b RUN b 0")

	l, _ = begin(t, dir, Resume, plan("one"))
	defer l.Close()
	b.Ran = 2
	note(l, stepOf("a", "RUN a", nil, 1, 0), b)
	note(l, stepOf("a", "RUN a", nil, 3, 0), stepOf("d", "RUN d", nil, 1, 0))
	read("a RUN a 4, b RUN b 2, d RUN d 1")
	if err := l.WriteSteps([]Step{stepOf("a", "RUN a", nil, 3, 0), b}); err != nil {
		t.Fatal(err)
	}
	read("a RUN a 4, b RUN b 2")
}

// A run that is gone on with has the steps of all its parts.
func TestAddSteps(t *testing.T) {
	before := []Step{stepOf("a", "RUN a", nil, 1, 2), stepOf("gone", "RUN gone", nil, 1, 1)}
	before[0].Cached, before[0].Bytes = 4, new(int64(9))
	all := AddSteps(before, []Step{stepOf("a", "RUN a", nil, 1, 3), stepOf("b", "RUN b", nil, 1, 1)})
	if len(all) != 3 || all[0].Ran != 2 || all[0].Cached != 4 || all[0].Seconds != 5 || *all[0].Bytes != 9 || all[2].ID != "gone" {
		t.Errorf("%+v", all)
	}
	if sum := SumSteps(all); sum.Distinct != 3 || sum.Ran != 4 || sum.Cached != 4 || sum.Seconds != 7 {
		t.Errorf("%+v", sum)
	}
	if SumSteps(nil) != nil {
		t.Error("no steps have a sum")
	}
}

// Where there are no steps it is said why.
func TestNoSteps(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	says := func(dir, want string) {
		t.Helper()
		if _, err := ReadSteps(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	says(filepath.Join(dir, "none"), "there is no such directory")
	says(dir, "it has no "+RunFile)
	put(RunFile, "{}")
	says(dir, "no job of it has ended")
	put(SummaryFile, `{"total":30,"skipped":30}`)
	says(dir, "all 30 jobs were skipped, since the images exist")
	put(SummaryFile, `{"total":30,"skipped":29,"built":1}`)
	says(dir, "or it is of an earlier version of Stoker")
}

// The run before is the last archived one that has steps on record.
func TestStepsBefore(t *testing.T) {
	dir := t.TempDir()
	put := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadSteps(dir); !errors.As(err, new(*NoRunError)) {
		t.Errorf("no run: %v", err)
	}
	put(RunFile, "{}")
	if _, err := ReadSteps(dir); !errors.As(err, new(*NoStepsError)) {
		t.Errorf("no steps: %v", err)
	}
	if where, steps := StepsBefore(dir); where != "" || steps != nil {
		t.Errorf("before the first: %s %+v", where, steps)
	}
	for _, at := range []string{"archive/2026-01-01", "archive/2026-01-02", "archive/2026-01-03"} {
		put(at+"/"+RunFile, "{}")
	}
	put("archive/2026-01-03/"+StepsFile, `{"id":"killed","kind":"step","text":"RUN","jobs":1}`+"\n")
	for _, at := range []string{"archive/2026-01-01", "archive/2026-01-02"} {
		put(at+"/"+SummaryFile, "{}")
		put(at+"/"+StepsFile, `{"id":"`+at+`","kind":"step","text":"RUN","jobs":1}`+"\n")
	}
	if where, steps := StepsBefore(dir); where != filepath.Join(dir, "archive/2026-01-02") || len(steps) != 1 || steps[0].ID != "archive/2026-01-02" {
		t.Errorf("the last is %s %+v", where, steps)
	}
}

func TestLearnedSteps(t *testing.T) {
	dir := t.TempDir()
	l := ReadLearnedSteps(dir, "kind")
	a, b := stepOf("a", "RUN x", map[string]string{"SHA": "1", "TASK": "1", "PORT": "1"}, 1, 4), stepOf("b", "RUN x", map[string]string{"SHA": "1", "TASK": "2", "PORT": "1"}, 1, 6)
	a.Bytes = new(int64(10))
	l.Learn([]Step{a, b})
	if got := l["RUN x"]; got.Seconds != 5 || *got.Bytes != 10 || !reflect.DeepEqual(got.Env, map[string]string{"SHA": "1", "PORT": "1"}) || len(got.Varied) != 0 {
		t.Errorf("of one run: %+v", got)
	}
	l.Learn([]Step{stepOf("c", "RUN x", map[string]string{"SHA": "2", "PORT": "1"}, 1, 7)})
	l.Learn([]Step{stepOf("c", "RUN x", map[string]string{"SHA": "2", "PORT": "1"}, 0, 0)}) // found in the cache
	if err := WriteLearnedSteps(dir, "kind", l); err != nil {
		t.Fatal(err)
	}
	if got := ReadLearnedSteps(dir, "kind")["RUN x"]; got.Seconds != 6 || *got.Bytes != 10 || !slices.Equal(got.Varied, []string{"SHA"}) {
		t.Errorf("of three runs: %+v", got)
	}
}

// What was run again is told with how much of it was for the reason, where that was counted.
func TestRanAgain(t *testing.T) {
	line := RanAgain{File: "Dockerfile", Line: 8, Ran: 6, Seconds: 30, Why: "ARG or ENV KIND differs (since line 6)"}
	some, all := line, line
	some.WhyRan, some.WhySeconds = 2, 12
	all.WhyRan, all.WhySeconds = 6, 30
	for _, tt := range []struct {
		again RanAgain
		want  string
	}{
		{some, "12s Dockerfile:8, 2 of 6 runs: ARG or ENV KIND differs (since line 6)"},
		{all, "30s Dockerfile:8 ran 6 times: ARG or ENV KIND differs (since line 6)"},
		{line, "30s Dockerfile:8 ran 6 times: ARG or ENV KIND differs (since line 6)"},
	} {
		if got := fmt.Sprintf("%gs %s", tt.again.Took(), tt.again); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
