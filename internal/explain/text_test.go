package explain

import (
	"strings"
	"testing"
)

// The lines that took the longest come first, with what is known of sizes.
func TestText(t *testing.T) {
	steps := dockerfile("python:3", "sha256:1", "quick", "slow", "found")
	steps[1].Seconds, steps[2].Seconds, steps[2].Ran, steps[2].Bytes = 0.4, 90, 2, new(int64(5e6))
	steps[3].Ran, steps[3].Cached, steps[3].Seconds = 0, 7, 0
	want := `
ran  cached  time   bytes      step
2    0       1m30s  5MB        Dockerfile:3  RUN slow
                                 1 step, 45.0s: the same step more than once: its result was removed meanwhile, an attempt failed, or each node made its own
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

// What is known of the size of some steps of a line is the least that they take, also where all were
// in the cache.
func TestTextOfSomeSizes(t *testing.T) {
	steps := cached(append(dockerfile("python:3", "sha256:1", "apt"), dockerfile("python:4", "sha256:2", "apt")...))
	steps[1].Bytes = new(int64(5e6))
	if told := Text(Run(steps, nil)); !strings.Contains(told, "  over 5MB  ") {
		t.Errorf("told is\n%s", told)
	}
}

// A step is told as the Dockerfile has it, also where it was built as another.
func TestTextOfLinked(t *testing.T) {
	told := Text(Run(linked("COPY --link a b", "LINK COPY --link a b"), nil))
	for _, want := range []string{"COPY a b (linked)\n", "COPY a b (linked: laid upon its base image)\n"} {
		if !strings.Contains(told, want) || strings.Contains(told, "--link") {
			t.Errorf("%q is not told, or more:\n%s", want, told)
		}
	}
}

// A step is told in as many columns as there are, up to a word's end.
func TestTextOfLong(t *testing.T) {
	for text, want := range map[string]string{
		"RUN echo " + strings.Repeat("word ", 30):         "RUN echo " + strings.Repeat("word ", 16) + "…\n",
		"RUN echo " + strings.Repeat("語", 60):             "RUN echo " + strings.Repeat("語", 40) + "…\n",
		"RUN printf '\x1b[31m'" + strings.Repeat("x", 80): "RUN printf '" + "'" + strings.Repeat("x", 76) + "…\n",
	} {
		if told := Text(Run(called(dockerfile("python:3", "sha256:1", "apt"), text), nil)); !strings.HasSuffix(told, "  "+want) {
			t.Errorf("%q is told as\n%s", text, told)
		}
	}
}
