package explain

import (
	"fmt"
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

// linked is a step that was linked by itself, and what lays it upon the base image.
func linked(as, laid string) []ledger.Step {
	steps := dockerfile("python:3", "sha256:1", "COPY")
	upon := dockerfile("python:3", "sha256:1", "COPY")[1]
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

// What ran but once in a run before which there was none did not run again, and what a builder
// calls by its variables is one line.
func TestAgain(t *testing.T) {
	job := func(n string) []ledger.Step {
		return called(dockerfile("python:3", "sha256:1", "apt", "pip N="+n), "RUN pip "+n)
	}
	for name, tt := range map[string]struct {
		now, earlier []ledger.Step
		want         string
	}{
		"two jobs":       {of(job("1"), job("2")), nil, ""},
		"four jobs":      {of(job("1"), job("2"), job("3"), job("4")), nil, "Dockerfile:3 ran 3 times: ARG or ENV N changed (since line 3)"},
		"another run":    {job("2"), job("1"), "Dockerfile:3 ran 1 time: ARG or ENV N changed (since line 3)"},
		"the same again": {job("1"), job("1"), ""},
	} {
		var got []string
		for _, r := range Again(tt.now, tt.earlier) {
			got = append(got, r.String())
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
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
		"a variable": {dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=2", "make GIT_SHA=2 a.py:1"), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: ARG or ENV GIT_SHA changed (since line 3)
			4: 1 step: ARG or ENV GIT_SHA changed (since line 3)`},
		"a file": {dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=1", "make GIT_SHA=1 a.py:2"), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			4: 1 step: file a.py in the context changed (since line 4)`},
		"a base image": {dockerfile("python:3", "sha256:2", "apt", "pip GIT_SHA=2"), one(), `
			2: 1 step: base image python:3 has another digest
			3: 1 step: base image python:3 has another digest`},
		"another base image": {dockerfile("ruby:3", "sha256:2", "apt"), one(), `
			2: 1 step: another base image`},
		"a line before it": {dockerfile("python:3", "sha256:1", "apk", "pip GIT_SHA=1"), one(), `
			2: 1 step: the line itself changed (since line 2)
			3: 1 step: the line itself changed (since line 2)`},
		"a line more": {dockerfile("python:3", "sha256:1", "apt", "new", "pip GIT_SHA=1"), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the line itself changed (since line 3)
			4: 1 step: a step was put in, left out or moved (since line 3)`},
		"a variable in the text": {called(dockerfile("python:3", "sha256:1", "echo V=2"), "RUN echo 2"), called(dockerfile("python:3", "sha256:1", "echo V=1"), "RUN echo 1"), `
			2: 1 step: ARG or ENV V changed (since line 2)`},
		"lines that were swapped": {dockerfile("python:3", "sha256:1", "copy", "b", "a"), dockerfile("python:3", "sha256:1", "copy", "a", "b"), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: a step was put in, left out or moved (since line 3)
			4: 1 step: a step was put in, left out or moved (since line 3)`},
		"a line below comments": {below(dockerfile("python:3", "sha256:1", "apt", "new", "pip", "make"), 2, 1), dockerfile("python:3", "sha256:1", "apt", "old", "pip", "make"), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			4: 1 step: the line itself changed (since line 4)
			5: 1 step: the line itself changed (since line 4)
			6: 1 step: the line itself changed (since line 4)`},
		"the first line below comments": {below(dockerfile("python:3", "sha256:1", "new", "pip"), 1, 5), dockerfile("python:3", "sha256:1", "old", "pip"), `
			7: 1 step: the line itself changed (since line 7)
			8: 1 step: the line itself changed (since line 7)`},
		"a line of another target": {dockerfile("python:3", "sha256:1", "apt", "pip", "new", "make"), dockerfile("python:3", "sha256:1", "apt", "pip", "old", "make")[:4], `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			4: 1 step: the line itself changed (since line 4)
			5: 1 step: the earlier run had no step like it`},
		"a line less": {dockerfile("python:3", "sha256:1", "b", "c"), dockerfile("python:3", "sha256:1", "a", "b", "c"), `
			2: 1 step: a step was put in, left out or moved (since line 2)
			3: 1 step: a step was put in, left out or moved (since line 2)`},
		"directories": {dockerfile("python:3", "sha256:1", "copy d/:2 d/a:1"), dockerfile("python:3", "sha256:1", "copy d/:1 d/a:1"), `
			2: 1 step: directory d/ in the context changed (since line 2)`},
		"a file in a new directory": {dockerfile("python:3", "sha256:1", "copy d/:2 d/e/a:1"), dockerfile("python:3", "sha256:1", "copy d/:1"), `
			2: 1 step: file d/e/a in the context changed (since line 2)`},
		"the context's directories": {dockerfile("python:3", "sha256:1", "copy ./:2"), dockerfile("python:3", "sha256:1", "copy ./:1"), `
			2: 1 step: what is taken of the context changed (since line 2)`},
		"without the cache": {anew(one(), 2), one(), `
			2: 1 step: the same step as in the earlier run: its result was not in the cache any more, or is on another builder
			3: 1 step: the cache was not to be used (--no-cache)
			4: 1 step: the cache was not to be used (--no-cache)`},
		"what was not there": {dockerfile("python:3", "sha256:1", "apt"), dockerfile("python:3", "sha256:1"), `
			2: 1 step: the earlier run had no step like it`},
		"files that nobody has read": {dockerfile("python:3", "sha256:1", "make src:"), dockerfile("python:3", "sha256:1", "make src:"), `
			2: 1 step: the files that it takes of the context are too many, or too large, to be compared (since line 2)`},
		"what was linked by itself": {linked("COPY --link a b", "LINK COPY --link a b"), dockerfile("python:3", "sha256:1", "COPY"), `
			2: 1 step: it was linked by itself in one of the two, and not in the other (--auto-link) (since line 2)
			2: 1 step: it was linked by itself in one of the two, and not in the other (--auto-link) (since line 2)`},
		"what was linked by itself again": {cached(linked("COPY --link a b", "LINK COPY --link a b")), linked("COPY --link a b", "LINK COPY --link a b"), ""},
		"within a run": {of(dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=1"), dockerfile("python:3", "sha256:1", "apt", "pip GIT_SHA=2"),
			dockerfile("ruby:3", "sha256:2", "apt", "pip GIT_SHA=2")), nil, `
			3: 1 step: ARG or ENV GIT_SHA changed (since line 3), 1 step: another base image
			2: 1 step: another base image`},
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

// The lines that took the longest come first, with what is known of sizes.
func TestText(t *testing.T) {
	steps := dockerfile("python:3", "sha256:1", "quick", "slow", "found")
	steps[1].Seconds, steps[2].Seconds, steps[2].Ran, steps[2].Bytes = 0.4, 90, 2, new(int64(5e6))
	steps[3].Ran, steps[3].Cached, steps[3].Seconds = 0, 7, 0
	want := `
ran  cached  time   bytes      step
2    0       1m30s  5MB        Dockerfile:3  RUN slow
                                 1 step: the same step more than once: its result was removed meanwhile, an attempt failed, or each node made its own
1    0       0.4s   not known  Dockerfile:2  RUN quick
0    7       0.0s   -          Dockerfile:4  RUN found
`
	if got := "\n" + Text(Run(steps, nil)); got != want {
		t.Errorf("got%swant%s", got, want)
	}
	if got, want := Headline(steps), "3 distinct steps, run 3 times in 1m30s, found in the cache 7 times"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A step is told as the Dockerfile has it, also where it was built as another.
func TestTextOfLinked(t *testing.T) {
	told := Text(Run(linked("COPY --link a b", "LINK COPY --link a b"), nil))
	for _, want := range []string{"RUN COPY (linked)\n", "RUN COPY (linked: laid upon its base image)\n"} {
		if !strings.Contains(told, want) || strings.Contains(told, "--link") {
			t.Errorf("%q is not told, or more:\n%s", want, told)
		}
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
