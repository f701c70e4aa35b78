package explain

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
)

// dockerfile makes the steps of a job: a base, and a step for each line of words
// "TEXT NAME=VALUE file:digest", each upon the one before.
func dockerfile(base, digest string, lines ...string) (steps []ledger.Step) {
	id := base + "@" + digest
	steps = append(steps, ledger.Step{ID: id, Jobs: 1, StepForm: &ledger.StepForm{Kind: ledger.StepBase, Text: base, Digest: digest}})
	for i, line := range lines {
		words := strings.Fields(line)
		f := &ledger.StepForm{Kind: ledger.StepRun, Op: "exec", Text: "RUN " + words[0], File: "Dockerfile", Line: i + 2, Env: map[string]string{}, Files: map[string]string{},
			Parts: map[string]string{"command": words[0]}}
		key := words[0]
		for _, w := range words[1:] {
			if name, value, is := strings.Cut(w, "="); is {
				f.Env[name], key = value, key+w
			} else if path, hash, is := strings.Cut(w, ":"); is {
				f.Files[path] = hash // which is not in the identity
			}
		}
		on := id
		id += "/" + key
		steps = append(steps, ledger.Step{ID: id, On: []string{on}, Jobs: 1, Ran: 1, Seconds: 1, StepForm: f})
	}
	return steps
}

// of joins jobs' steps, each once.
func of(jobs ...[]ledger.Step) (all []ledger.Step) {
	known := map[string]bool{}
	for _, job := range jobs {
		for _, s := range job {
			if !known[s.ID] {
				known[s.ID] = true
				all = append(all, s)
			}
		}
	}
	return all
}

// copies has the last step be a COPY: of what was written the record has what its variables
// stand for.
func copies(steps []ledger.Step, text string) []ledger.Step {
	s := &steps[len(steps)-1]
	s.ID += text
	s.Op, s.Text, s.Parts = "copy", text, map[string]string{"settings": text}
	return steps
}

// copied is a job that copies.
func copied(text string) []ledger.Step {
	return copies(dockerfile("python:3", "sha256:1", "COPY"), text)
}

// linked is a step that was linked by itself, and what lays it upon the base image.
func linked(as, laid string) []ledger.Step {
	steps, upon := copied("COPY a b"), copied("COPY a b")[1]
	steps[1].LinkedAs, steps[1].On = as, nil
	upon.ID, upon.LinkedAs, upon.On = "laid", laid, []string{steps[0].ID, steps[1].ID}
	return append(steps, upon)
}

// below has the steps from one on stand some lines further down, as behind comments.
func below(steps []ledger.Step, from, lines int) []ledger.Step {
	for i := range steps[from:] {
		steps[from+i].Line += lines
	}
	return steps
}

// upon is the last step of one, as it is a line below that of another.
func upon(on, steps []ledger.Step) []ledger.Step {
	top, s := on[len(on)-1], steps[len(steps)-1]
	s.ID, s.On = top.ID+s.ID, []string{top.ID}
	return below([]ledger.Step{s}, 0, 1)
}

// called has the last step be called by what its variables stand for.
func called(steps []ledger.Step, text string) []ledger.Step {
	steps[len(steps)-1].Text = text
	return steps
}

// anew has a step be made anew.
func anew(steps []ledger.Step, i int) []ledger.Step {
	steps[i].NoCache, steps[i].Ran = true, 3
	return steps
}

func cached(steps []ledger.Step) []ledger.Step {
	for i := range steps {
		steps[i].Ran, steps[i].Cached = 0, 1
	}
	return steps
}

// neverMade are steps of a run that ended before it came to them.
func neverMade(steps []ledger.Step) []ledger.Step {
	for i := range steps {
		steps[i].Ran, steps[i].Cached = 0, 0
	}
	return steps
}

// built is a job whose second step says what its variable stands for.
func built(base, v string) []ledger.Step {
	steps := dockerfile(base, "sha256:"+base, "apt", "echo V="+v, "make V="+v)
	steps[2].Text = "RUN echo is " + v + " now"
	return steps
}

// A line is told once, with the reason of most of its runs and what these took; what was run
// but once was not run again.
func TestAgain(t *testing.T) {
	job := func(n string) []ledger.Step {
		return called(dockerfile("python:3", "sha256:1", "apt", "pip N="+n), "RUN pip "+n)
	}
	lasting := func(seconds float64, steps []ledger.Step) []ledger.Step {
		steps[len(steps)-1].Seconds = seconds
		return steps
	}
	ranOnce := of(cached(job("1")), job("2"))
	for name, tt := range map[string]struct {
		now, earlier []ledger.Step
		want         string
	}{
		"one job":        {job("1"), nil, ""},
		"one that ran":   {ranOnce, nil, ""},
		"two jobs":       {of(job("1"), job("2")), nil, "1s Dockerfile:3, 1 of 2 runs: ARG or ENV N differs (since line 3)"},
		"four jobs":      {of(job("1"), job("2"), job("3"), job("4")), nil, "3s Dockerfile:3, 3 of 4 runs: ARG or ENV N differs (since line 3)"},
		"another run":    {job("2"), job("1"), "1s Dockerfile:3 ran 1 time: ARG or ENV N differs (since line 3)"},
		"the same again": {job("1"), job("1"), ""},
		"other bases": {of(built("a", "1"), built("b", "1"), built("c", "1"), built("c", "2")), nil,
			"1s Dockerfile:3, 1 of 4 runs: ARG or ENV V differs (since line 3); 1s Dockerfile:4, 1 of 4 runs: ARG or ENV V differs (since line 3)"},
		"the dearest reason": {of(lasting(9, dockerfile("a", "1", "apt V=1", "pip N=1")), dockerfile("a", "1", "apt V=1", "pip N=2"), lasting(5, dockerfile("a", "1", "apt V=2"))), nil,
			"5s Dockerfile:2, 1 of 2 runs: ARG or ENV V differs (since line 2); 1s Dockerfile:3, 1 of 2 runs: ARG or ENV N differs (since line 3)"},
		"more often": {of(lasting(6, anew(job("1"), 2)), job("2"), job("3")), job("0"), "2s Dockerfile:3, 2 of 5 runs: ARG or ENV N differs (since line 3)"},
	} {
		var got []string
		for _, r := range Again(tt.now, tt.earlier) {
			got = append(got, fmt.Sprintf("%gs %s", r.Took(), r))
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// A line is told once, by the words that its steps have in common, with what each reason cost.
func TestLine(t *testing.T) {
	jobs := [][]ledger.Step{built("a", "1"), built("b", "1"), built("a", "2"), built("b", "2 or 3")}
	jobs[2][2].Ran, jobs[2][2].Seconds, jobs[2][2].Bytes = 3, 6, new(int64(50))
	jobs[3][2].Bytes = new(int64(7))
	lines := Run(of(jobs...), nil)
	if len(lines) != 3 {
		t.Fatalf("%d lines: %+v", len(lines), lines)
	}
	l := lines[0]
	if l.Text != "RUN echo is … now" || l.Line != 3 || l.Steps != 4 || l.Ran != 6 || l.Seconds != 9 || *l.Bytes != 57 {
		t.Errorf("the line is %+v", l)
	}
	var got []string
	for _, r := range l.Reasons {
		bytes := int64(-1)
		if r.Bytes != nil {
			bytes = *r.Bytes
		}
		got = append(got, fmt.Sprintf("%s: %d, %d, %g, %d", r.Text, r.Steps, r.Ran, r.Seconds, bytes))
	}
	want := []string{"ARG or ENV V differs: 2, 2, 3, 57", "another base image: 1, 1, 1, -1", repeated.Text + ": 1, 2, 4, 50"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRun(t *testing.T) {
	one := func() []ledger.Step {
		return dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=1", "make GIT_SHA=1 a.py:1")
	}
	for name, tt := range map[string]struct {
		now, earlier []ledger.Step
		want         string
	}{
		"nothing ran": {cached(one()), one(), ""},
		"steps that an interrupted run did not come to": {one(), neverMade(one()), `
			2: 1 step: the earlier run, which had the same step, neither made it nor found it in the cache
			3: 1 step: the earlier run, which had the same step, neither made it nor found it in the cache
			4: 1 step: the earlier run, which had the same step, neither made it nor found it in the cache`},
		"a variable": {dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=2", "make GIT_SHA=2 a.py:1"), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: ARG or ENV GIT_SHA differs (since line 3)
			4: 1 step: ARG or ENV GIT_SHA differs (since line 3)`},
		"a variable that was moved away": {dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=1", "make a.py:1"), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			4: 1 step: ARG or ENV GIT_SHA is there in one of the two alone (since line 4)`},
		"a file": {dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=1", "make GIT_SHA=1 a.py:2"), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			4: 1 step: file a.py in the context differs (since line 4)`},
		"a base image": {dockerfile("python:3", "sha256:2", "apt", "pip GIT_SHA=2"), one(), `
			2: 1 step: base image python:3 has another digest
			3: 1 step: base image python:3 has another digest`},
		"another base image": {dockerfile("ruby:3", "sha256:2", "apt"), one(), `
			2: 1 step: another base image`},
		"a line before it": {dockerfile("python:3", "sha256:1", "apk", "pip GIT_SHA=1"), one(), `
			2: 1 step: the line itself differs (since line 2)
			3: 1 step: the line itself differs (since line 2)`},
		"a line more": {dockerfile("python:3", "sha256:1", "apt", "new", "pip GIT_SHA=1"), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the line itself differs (since line 3)
			4: 1 step: a step was put in, left out or moved (since line 3)`},
		"a variable in the text": {called(dockerfile("python:3", "sha256:1", "echo V=2"), "RUN echo 2"), called(dockerfile("python:3", "sha256:1", "echo V=1"), "RUN echo 1"), `
			2: 1 step: ARG or ENV V differs (since line 2)`},
		"lines that were swapped": {dockerfile("python:3", "sha256:1", "copy", "b", "a"), dockerfile("python:3", "sha256:1", "copy", "a", "b"), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: a step was put in, left out or moved (since line 3)
			4: 1 step: a step was put in, left out or moved (since line 3)`},
		"a line below comments": {below(dockerfile("python:3", "sha256:1", "apt", "new", "pip", "make"), 2, 1), dockerfile("python:3", "sha256:1", "apt", "old", "pip", "make"), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			4: 1 step: the line itself differs (since line 4)
			5: 1 step: the line itself differs (since line 4)
			6: 1 step: the line itself differs (since line 4)`},
		"the first line below comments": {below(dockerfile("python:3", "sha256:1", "new", "pip"), 1, 5), dockerfile("python:3", "sha256:1", "old", "pip"), `
			7: 1 step: the line itself differs (since line 7)
			8: 1 step: the line itself differs (since line 7)`},
		"a line of another target": {dockerfile("python:3", "sha256:1", "apt", "pip", "new", "make"), dockerfile("python:3", "sha256:1", "apt", "pip", "old", "make")[:4], `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			4: 1 step: the line itself differs (since line 4)
			5: 1 step: the earlier run had no step like it`},
		"a line less": {dockerfile("python:3", "sha256:1", "b", "c"), dockerfile("python:3", "sha256:1", "a", "b", "c"), `
			2: 1 step: a step was put in, left out or moved (since line 2)
			3: 1 step: a step was put in, left out or moved (since line 2)`},
		"directories": {dockerfile("python:3", "sha256:1", "copy d/:2 d/a:1"), dockerfile("python:3", "sha256:1", "copy d/:1 d/a:1"), `
			2: 1 step: directory d/ in the context differs (since line 2)`},
		"a file in a new directory": {dockerfile("python:3", "sha256:1", "copy d/:2 d/e/a:1"), dockerfile("python:3", "sha256:1", "copy d/:1"), `
			2: 1 step: file d/e/a in the context differs (since line 2)`},
		"the context's directories": {dockerfile("python:3", "sha256:1", "copy ./:2"), dockerfile("python:3", "sha256:1", "copy ./:1"), `
			2: 1 step: what is taken of the context differs (since line 2)`},
		"without the cache": {anew(one(), 2), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the cache was not to be used (--no-cache)
			4: 1 step: the cache was not to be used (--no-cache)`},
		"what was not there": {dockerfile("python:3", "sha256:1", "apt"), dockerfile("python:3", "sha256:1"), `
			2: 1 step: the earlier run had no step like it`},
		"files that nobody has read": {dockerfile("python:3", "sha256:1", "make src:"), dockerfile("python:3", "sha256:1", "make src:"), `
			2: 1 step: the files that it takes of the context are too many, or too large, to be compared (since line 2)`},
		"what was linked by itself": {linked("COPY --link a b", "LINK COPY --link a b"), copied("COPY a b"), `
			2: 1 step: it was linked by itself in one of the two, and not in the other (--auto-link) (since line 2)
			2: 1 step: it was linked by itself in one of the two, and not in the other (--auto-link) (since line 2)`},
		"what was linked by itself again": {cached(linked("COPY --link a b", "LINK COPY --link a b")), linked("COPY --link a b", "LINK COPY --link a b"), ""},
		"within a run": {of(dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=1"), dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=2"),
			dockerfile("ruby:3", "sha256:2", "apt", "pip GIT_SHA=2")), nil, `
			3: 1 step: ARG or ENV GIT_SHA differs (since line 3), 1 step: another base image
			2: 1 step: another base image`},
		"variables in the text, upon two bases": {of(built("a", "1"), built("b", "1"), built("a", "2"), built("b", "2")), nil, `
			3: 2 step: ARG or ENV V differs (since line 3), 1 step: another base image
			4: 2 step: ARG or ENV V differs (since line 3), 1 step: another base image
			2: 1 step: another base image`},
		"a copy by a variable": {of(copied("COPY v1 /app"), copied("COPY v2 /app"), copied("COPY v3 /app")), nil, `
			2: 2 step: an ARG or ENV in the line differs (since line 2)`},
		"copies that take each other's words": {of(append(copied("COPY a /x"), upon(copied("COPY a /x"), copied("COPY b /x"))...),
			append(copied("COPY b /x"), upon(copied("COPY b /x"), copied("COPY a /x"))...)), nil, `
			2: 1 step: an ARG or ENV in the line differs (since line 2)
			3: 1 step: an ARG or ENV in the line differs (since line 2)`},
		"a job of another target between two": {of(built("a", "1"), built("a", "2")[:3], built("a", "3")), nil, `
			3: 2 step: ARG or ENV V differs (since line 3)
			4: 1 step: ARG or ENV V differs (since line 3)`},
		"a copy of another run": {copied("COPY v2 /app"), copied("COPY v1 /app"), `
			2: 1 step: the line itself, or an ARG or ENV in it, differs (since line 2)`},
		"a copy below comments": {below(copied("COPY v2 /app"), 1, 3), copied("COPY v1 /app"), `
			5: 1 step: the line itself, or an ARG or ENV in it, differs (since line 5)`},
		"a copy where a command was": {copied("COPY v2 /app"), dockerfile("python:3", "sha256:1", "make"), `
			2: 1 step: the line itself differs (since line 2)`},
		"copies below one that is new": {append(copied("COPY z /z"), upon(copied("COPY z /z"), copied("COPY a /a"))...), copied("COPY a /a"), `
			2: 1 step: the line itself, or an ARG or ENV in it, differs (since line 2)
			3: 1 step: a step was put in, left out or moved (since line 2)`},
		"what a base image adds": {append(copied("COPY a /a"), below(upon(copied("COPY a /a"), copied("COPY b /b")), 0, -1)...), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, l := range Run(tt.now, tt.earlier) {
				var reasons []string
				for _, r := range l.Reasons {
					reasons = append(reasons, fmt.Sprintf("%d step: %s", r.Steps, r.Told(l.File)))
				}
				if len(reasons) > 0 {
					got = append(got, fmt.Sprintf("%d: %s", l.Line, strings.Join(reasons, ", ")))
				}
			}
			if want := strings.TrimSpace(strings.ReplaceAll(tt.want, "\t", "")); strings.Join(got, "\n") != want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
			}
		})
	}
}

// BenchmarkRun explains a run of 1,000 jobs of 30 steps on bases of their own, each with a
// variable that changes.
func BenchmarkRun(b *testing.B) {
	jobs := func(sha string) []ledger.Step {
		var all [][]ledger.Step
		for job := range 1000 {
			lines := make([]string, 30)
			for i := range lines {
				lines[i] = fmt.Sprintf("step%d GIT_SHA=%s A=1 B=2 C=3 D=4 E=5 F=6", i, sha)
			}
			all = append(all, dockerfile(fmt.Sprint("base", job), "sha256:1", lines...))
		}
		return of(all...)
	}
	now, earlier := jobs("1"), jobs("2")
	for b.Loop() {
		Run(now, earlier)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*30_000), "us/step")
}
