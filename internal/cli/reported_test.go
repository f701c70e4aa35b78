package cli

import (
	"encoding/csv"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
)

// The same images are built twice, by more workers and with a step that fails for one of them:
// report tells what became of the run, of two of them beside each other and one after another.
func TestReportOfTwoRuns(t *testing.T) {
	w := newWorkbench(t, small(1, 3))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG NAME\nRUN echo ${NAME} > /name\n")
	name := []string{"--build-arg", "NAME={{.Name}}"}
	if code, out := w.build(t.Context(), append(name, "--workers", "1")...); code != ExitOK {
		t.Fatalf("exit code %d, %s", code, out)
	}
	jobs := w.manifest()
	failing := jobs[1].Name
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG NAME\nRUN test ${NAME} != "+failing+"\nRUN echo ${NAME} > /name\n")
	if code, out := w.build(t.Context(), append(name, "--workers", "2", "--force")...); code != ExitFailed {
		t.Fatalf("exit code %d, %s", code, out)
	}
	archived, err := filepath.Glob(w.path("out/archive/*"))
	if err != nil || len(archived) != 1 {
		t.Fatal(archived, err)
	}

	// Of one directory A is the run that began first, of two the one that is named first.
	for _, c := range []struct {
		args    []string
		a       string
		workers string
		sign    int
	}{{[]string{"--archived", w.path("out")}, archived[0], "1", 1}, {[]string{w.path("out"), archived[0]}, w.path("out"), "2", -1}} {
		code, out := runStoker(t.Context(), append([]string{"report", "--format", "json"}, c.args...)...)
		var r struct {
			Built      int
			Comparison report.Comparison
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != ExitFailed || r.Built != 2 {
			t.Fatalf("exit code %d, %v, %s", code, err, out)
		}
		got := r.Comparison
		failed, other := got.FailedB, got.FailedA
		if c.sign < 0 {
			failed, other = other, failed
		}
		if got.A.Dir != c.a || got.InBoth != 3 || got.OnlyA+got.OnlyB > 0 || got.Built.Jobs != 2 || len(failed) != 1 || failed[0].Name != failing || failed[0].Other != ledger.Built || len(other) > 0 {
			t.Errorf("%v: %+v", c.args, got)
		}
		for _, f := range []report.Figures{got.A, got.B} {
			if f.WallClock == nil || f.ImagesPerHour == nil || f.MedianSeconds == nil || f.ReclaimedBytes == nil || f.PeakBytes == nil {
				t.Errorf("of %s not all is known that is known of a run that has ended: %v %v %v %v %v", f.Dir, f.WallClock, f.ImagesPerHour, f.MedianSeconds, f.ReclaimedBytes, f.PeakBytes)
			}
		}
		var names []string
		for _, o := range got.Options {
			names = append(names, o.Name)
		}
		if strings.Join(names, " ") != "--workers --force" || *got.Options[0].A != c.workers || (got.Options[1].A == nil) != (c.sign > 0) {
			t.Errorf("options that differ: %v, %+v", names, got.Options)
		}
		if len(got.Phases) == 0 || got.Phases[0].A == nil || got.Phases[0].B == nil {
			t.Errorf("phases: %+v", got.Phases)
		}
	}
	for format, want := range map[string]string{"text": "\nfailed in B alone: 1 job\n", "markdown": "\nFailed in B alone: 1 job\n", "html": "Failed in B alone: 1 job<"} {
		if _, out := runStoker(t.Context(), "report", "--format", format, "--archived", w.path("out")); !strings.Contains(out, want) || !strings.Contains(out, failing) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if _, out := runStoker(t.Context(), "report", w.path("out")); strings.Contains(out, "comparison") {
		t.Errorf("one run is compared: %s", out)
	}
	w.checkHistory(archived[0])
}

// checkHistory makes sure that the two runs in a directory are told in the order of time.
func (w *workbench) checkHistory(first string) {
	w.t.Helper()
	for format, wants := range map[string][]string{
		"text":     {"2 runs of ", "img/h"},
		"markdown": {"## Stoker: 2 runs of ", "| 3 | 3 | 0 | 0 |", "| 3 | 2 | 0 | 1 |"},
		"html":     {"<h1>2 runs of ", "<svg", first},
		"json":     {`"dir": "` + first + `"`},
	} {
		code, out := runStoker(w.t.Context(), "report", "--history", "--format", format, w.path("out"))
		for _, want := range wants {
			if code != ExitOK || !strings.Contains(out, want) {
				w.t.Errorf("%s: exit code %d, no %q in %s", format, code, want, out)
			}
		}
	}
	_, out := runStoker(w.t.Context(), "report", "--history", "--format", "csv", w.path("out"))
	lines, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(lines) != 3 || lines[1][0] != first || lines[2][0] != w.path("out") || strings.Join(lines[2][3:7], " ") != "3 2 0 1" {
		w.t.Errorf("%v, %v", lines, err)
	}
	for want, args := range map[string][]string{
		"not as junit": {"--format", "junit"}, "not as trace": {"--format", "trace"}, "--refs of their images": {"--refs", "refs.json"},
	} {
		if code, out := runStoker(w.t.Context(), append([]string{"report", "--history", w.path("out")}, args...)...); code != ExitUsage || !strings.Contains(out, want) {
			w.t.Errorf("%v: exit code %d, %s", args, code, out)
		}
	}
}

// A run's flags are read from the command that goes on with it, and from its variables.
func TestGivenIn(t *testing.T) {
	given := givenIn(`STOKER_WORKERS=7 STOKER_COMPRESSION=zstd /usr/bin/stoker build --images 'my bases.txt' -t 'r.example/{{.Name}}:1' --build-arg A=1 --build-arg 'B=it'\''s' --push --workers=3 --resume ./agent # with the same standard input`)
	for name, want := range map[string]string{
		"--workers": "3", "--compression": "zstd", "--images": "my bases.txt", "--tag": "r.example/{{.Name}}:1", "--build-arg": "A=1, B=it's", "--push": "true", "arguments": "./agent",
	} {
		if given[name] != want {
			t.Errorf("%s is %q, want %q", name, given[name], want)
		}
	}
	if len(given) != 7 {
		t.Errorf("%v", given)
	}
	for _, command := range []string{"", "'", "stoker no-such-command", "stoker build --no-such-flag"} {
		if given := givenIn(command); given != nil {
			t.Errorf("%q: %v", command, given)
		}
	}
}
