package cli

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/advice"
	"github.com/stoker-build/stoker/internal/ledger"
)

// What a run has on record tells why the next one runs steps again: a variable, a file, or
// nothing that differs.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	w.write("ctx/Dockerfile", `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN echo early > /early
ARG GIT_SHA
ENV APP_V=$GIT_SHA
RUN sleep 0.6 && head -c 100000 /dev/urandom > /packages
COPY agent.txt /agent.txt
RUN cat /agent.txt > /late
RUN sh -c 'echo $APP_V > /version'
`)
	build := func(sha string) {
		t.Helper()
		code, out := w.build(t.Context(), "--force", "--workers", "1", "--prune", "off", "--build-arg", "GIT_SHA="+sha)
		w.checkAllBuilt(code, out, 2)
	}
	told := func() (e explained, text string) {
		t.Helper()
		code, out := runStoker(t.Context(), "explain", "--format", "json", w.path("out"))
		if err := json.Unmarshal([]byte(out), &e); code != ExitOK || err != nil {
			t.Fatalf("exit code %d, %v\n%s", code, err, out)
		}
		_, text = runStoker(t.Context(), "explain", w.path("out"))
		return e, text
	}
	build("s3cretcommit1")
	e, text := told()
	if e.Steps == nil || e.Steps.Ran != 10 || e.Steps.Cached != 0 || len(e.Lines) != 5 || e.Against != "" {
		t.Errorf("the first run: %+v\n%s", e, text)
	}
	build("s3cretcommit2")
	e, text = told()
	causes := map[int]string{}
	for _, l := range e.Lines {
		for _, r := range l.Reasons {
			causes[l.Line] += r.Told(l.File)
		}
	}
	const sha = "ARG or ENV APP_V, GIT_SHA differ (since line 6)"
	if causes[3] != "" || causes[6] != sha || causes[7] != sha || causes[8] != sha || causes[9] != sha {
		t.Errorf("with another commit: %v\n%s", causes, text)
	}
	if strings.Contains(w.read("out/steps.jsonl"), "s3cretcommit") {
		t.Error("the value of an argument is on record")
	}
	steps, err := ledger.ReadSteps(w.path("out"))
	if sum := w.summary().Steps; err != nil || sum == nil || ledger.SumSteps(steps).Ran != sum.Ran || len(sum.Again) != 3 || sum.Again[0].Why != sha {
		t.Errorf("the summary tells %+v of the steps; %v", sum, err)
	}
	if !strings.Contains(w.read("out/summary.md"), "ran 2 times: ARG or ENV APP\\_V, GIT\\_SHA differ") {
		t.Errorf("summary.md:\n%s", w.read("out/summary.md"))
	}
	w.write("ctx/agent.txt", "another\n")
	build("s3cretcommit2")
	e, text = told()
	if !strings.Contains(text, "file agent.txt in the context differs (since line 7)") || strings.Contains(text, "GIT_SHA differs") {
		t.Errorf("with another file:\n%s", text)
	}

	// What that costs is advised of, and the patch mends it.
	code, out := w.plan(t.Context(), "--force", "--build-arg", "GIT_SHA=s3cretcommit3", "--format", "json")
	var planned struct{ Advice []advice.Advice }
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &planned); code != ExitOK || err != nil || len(planned.Advice) == 0 {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	a := planned.Advice[0]
	if a.Rule != advice.MisplacedVariable || a.Line != 4 || len(a.Jobs) != 2 || a.Seconds == nil || a.Bytes == nil || a.Patch == "" {
		t.Fatalf("the dearest is %+v\n%s", a, out)
	}
	apply := exec.Command("git", "apply", "-")
	apply.Dir, apply.Stdin = "/", strings.NewReader(a.Patch)
	if said, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, said, a.Patch)
	}
	// Without the patch three steps of each job were run more, which is what it was said to spare.
	build("s3cretcommit3")
	build("s3cretcommit4")
	if e, text = told(); e.Steps.Ran != 2 || !strings.HasSuffix(a.Text, "lines 6, 7, 8") {
		t.Errorf("%s\n%s\n%s", a.Text, text, w.read("ctx/Dockerfile"))
	}
}

// Where there is nothing to explain it is said why.
func TestExplainNothing(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	w.write("ctx/Dockerfile", ownStep)
	code, out := w.build(t.Context())
	w.checkAllBuilt(code, out, 2)
	w.build(t.Context(), "--fresh")
	for dir, says := range map[string]string{
		"out":  "ran no steps: all 2 jobs were skipped, since the images exist",
		"none": "(there is no such directory): name the --output-dir of one",
	} {
		if code, out := runStoker(t.Context(), "explain", w.path(dir)); code == ExitOK || !strings.Contains(out, says) {
			t.Errorf("exit code %d, %q does not say %q", code, out, says)
		}
	}
}
