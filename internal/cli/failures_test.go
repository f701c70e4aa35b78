package cli

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Failures are judged by what they are: what a step runs and prints decides nothing.
// Each is on record with its place, the step, the code and the last of the output.
func TestFailuresAreWhatTheyAre(t *testing.T) {
	w := newWorkbench(t, small(1, 1))
	t.Chdir(w.dir)
	step := func(text string) ledger.Failure {
		return ledger.Failure{Class: string(builder.StepFailed), Step: fmt.Sprintf(`RUN echo "error: %s" >&2; exit 1`, text), Line: 3, ExitCode: 1,
			Message: "error: " + text, Output: []string{"error: " + text}}
	}
	const noFile = "a file that the Dockerfile copies does not exist"
	want := map[string]ledger.Failure{
		"sum": step("checksum mismatch"), "space": step("no space left on device"), "429": step("429 Too Many Requests"),
		"access": step("pull access denied"), "transport": step("transport is closing"),
		"lines": {Class: string(builder.StepFailed), Step: `RUN echo one >&2; echo two >&2; nosuchcommand --install agent`, Line: 3, ExitCode: 127,
			Message: "/bin/sh: nosuchcommand: not found", Output: []string{"one", "two", "/bin/sh: nosuchcommand: not found"}},
		"missing":       {Class: string(builder.Permanent), Why: noFile, Step: "COPY typo.txt /", Line: 3, Message: `"/typo.txt": not found`},
		"missing-stage": {Class: string(builder.Permanent), Why: noFile, Step: "COPY --from=make /made /", Line: 3, Message: "lstat /made: no such file or directory"},
		"fetched": {Class: string(builder.Permanent), Why: "what is fetched cannot be had at its address", Step: "ADD http://" + w.registry.Host() + "/none /", Line: 3,
			Message: "invalid response status 404"},
		"bad-name": {Class: string(builder.Permanent), Why: "a name or a text that is to be sent to the builder is not UTF-8",
			Message: `"tasks/bad-name/n\xff.txt": rename it, or leave it out with a .dockerignore`},
	}
	texts := map[string]string{
		"bad-name":      "COPY . /",
		"lines":         "RUN echo one >&2; \\\n  # of its own\n  echo two >&2; \\\n  nosuchcommand --install   agent",
		"missing-stage": "COPY --from=make /made /\nFROM " + w.bases[0].Ref + " AS make",
	}
	var rows []string
	for id, f := range want {
		from := "FROM " + w.bases[0].Ref + "\n\n"
		if id == "missing-stage" {
			from = "FROM " + w.bases[0].Ref + " AS make\nFROM " + w.bases[0].Ref + "\n"
			texts[id] = f.Step
		}
		w.write("tasks/"+id+"/Dockerfile", from+cmp.Or(texts[id], f.Step)+"\n")
		rows = append(rows, fmt.Sprintf(`{"id":%q}`, id))
	}
	w.write("tasks/bad-name/n\xff.txt", "")
	code, out := w.rows(rows, "-t", w.registry.Host()+"/tasks/{{.id}}:1", "tasks/{{.id}}")
	entries := w.manifest()
	if code != ExitFailed || len(entries) != len(want) {
		t.Fatalf("exit code %d, %d entries\n%s", code, len(entries), out)
	}
	for _, e := range entries {
		f := want[e.Name]
		if f.Line > 0 {
			f.File = "tasks/" + e.Name + "/Dockerfile"
		}
		if e.Failure == nil || !reflect.DeepEqual(*e.Failure, f) || e.ErrorClass != f.Class || *e.Error != f.String() {
			t.Errorf("%s failed with\n%+v, want\n%+v\nand is said to for %s", e.Name, e.Failure, f, *e.Error)
		}
		if attempts := map[bool]int{true: 1, false: 2}[f.Class == string(builder.Permanent)]; e.AttemptCount != attempts {
			t.Errorf("%s had %d attempts, want %d", e.Name, e.AttemptCount, attempts)
		}
	}
	if s := w.summary(); s.Prune.ReclaimedRecords > 0 || len(s.Recoveries) > 0 || len(events[journal.DiskFull](w, "disk_full")) > 0 {
		t.Errorf("something was done about what steps printed: %+v", s)
	}
	w.checkSilent()
}

// A step that is broken in every job ends the run after the first ten, and the reason
// is what one sees.
func TestBrokenRun(t *testing.T) {
	w := newWorkbench(t, small(1, 1))
	t.Chdir(w.dir)
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG N\nRUN nosuchcommand --install $N\n")
	var rows []string
	for i := range 60 {
		rows = append(rows, fmt.Sprintf(`{"id":"task-%d"}`, i))
	}
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_WORKSPACE", w.dir)
	code, out := w.rows(rows, "--base", w.bases[0].Ref, "--build-arg", "N={{.id}}", "-t", w.registry.Host()+"/tasks/{{.id}}:1", "ctx")
	s := w.summary()
	if code != ExitFailed || s.Failed != 10 || s.Unfinished != 50 || !strings.Contains(s.StopReason, "no job was built and 10 failed for the same reason; 50 were not tried") {
		t.Fatalf("exit code %d, %d failed, %d unfinished, stopped for %q\n%s", code, s.Failed, s.Unfinished, s.StopReason, out)
	}
	if n := len(events[journal.AttemptStarted](w, "attempt_started")); n > 12 {
		t.Errorf("%d attempts\n%s", n, out)
	}
	if n := strings.Count(out, "\n"); n > 40 {
		t.Errorf("%d lines\n%s", n, out)
	}
	const reason = "ctx/Dockerfile:4: /bin/sh: nosuchcommand: not found"
	page, err := os.ReadFile(w.path("out/summary.md"))
	for name, text := range map[string]string{"the output": out, "summary.md": string(page)} {
		if err != nil || !strings.Contains(text, reason) || strings.Contains(text, `/bin/sh -c`) {
			t.Errorf("%s (%v):\n%s", name, err, text)
		}
	}
	if !strings.Contains(out, "\n  10 images: "+reason+"\n    RUN nosuchcommand --install $N (exit code: 127)\n") ||
		!strings.Contains(out, "\n::error file=ctx/Dockerfile,line=4,title=10 images failed%3A RUN nosuchcommand --install $N::") {
		t.Errorf("the end is\n%s", out)
	}
	if len(s.FailureGroups) != 1 || s.FailureGroups[0].Jobs != 10 || s.FailureGroups[0].Failure.ExitCode != 127 {
		t.Errorf("groups %+v", s.FailureGroups)
	}
}
