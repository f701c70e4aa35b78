package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// sec is a time so many seconds into the run.
func sec(s float64) time.Time { return epoch.Add(ofSeconds(s)) }

// unknownEvent is of a type that the views have never heard of.
type unknownEvent struct{}

func (unknownEvent) Kind() string { return "unknown" }

func runOf(jobs, workers int) journal.RunStarted {
	return journal.RunStarted{
		Jobs: jobs, Batches: 2, BatchSize: (jobs + 1) / 2, Workers: workers,
		Nodes: []string{"node-a"}, OutputDir: "stoker-out",
	}
}

func built(name string, seconds float64) journal.JobFinished {
	return journal.JobFinished{Entry: ledger.Entry{
		Name: name, Status: ledger.Built, Digest: "sha256:0123456789abcdef0123", AttemptCount: 1, DurationSeconds: seconds,
	}}
}

func skipped(name, why string) journal.JobFinished {
	return journal.JobFinished{Entry: ledger.Entry{Name: name, Status: ledger.Skipped, SkipReason: &why}}
}

func failed(name, why string, attempts int) journal.JobFinished {
	log := "logs/" + name + ".log"
	return journal.JobFinished{Entry: ledger.Entry{
		Name: name, Status: ledger.Failed, Error: &why, LogPath: &log, AttemptCount: attempts, DurationSeconds: 75,
	}}
}

func TestParseMode(t *testing.T) {
	for _, m := range Modes() {
		if got, err := ParseMode(string(m)); err != nil || got != m {
			t.Errorf("ParseMode(%q) = %q, %v", m, got, err)
		}
	}
	_, err := ParseMode("fancy")
	if err == nil {
		t.Fatal("ParseMode accepts a mode that does not exist")
	}
	for _, want := range []string{`"fancy"`, "auto, tty, plain, json, quiet"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
}

func TestResolve(t *testing.T) {
	tests := []struct {
		name     string
		mode     Mode
		terminal bool
		env      map[string]string
		want     Mode
	}{
		{"terminal", ModeAuto, true, map[string]string{"TERM": "xterm"}, ModeTTY},
		{"no terminal", ModeAuto, false, map[string]string{"TERM": "xterm"}, ModePlain},
		{"dumb terminal", ModeAuto, true, map[string]string{"TERM": "dumb"}, ModePlain},
		{"CI", ModeAuto, true, map[string]string{"TERM": "xterm", "CI": "true"}, ModePlain},
		{"asked for", ModeTTY, true, map[string]string{"CI": "true"}, ModeTTY},
		{"asked for json", ModeJSON, true, nil, ModeJSON},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			getenv := func(k string) string { return test.env[k] }
			if got := resolve(test.mode, test.terminal, getenv); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestInColor(t *testing.T) {
	for _, c := range []struct {
		term, noColor string
		want          bool
	}{{"xterm", "", true}, {"xterm", "1", false}, {"dumb", "", false}, {"", "", false}} {
		getenv := func(k string) string { return map[string]string{"TERM": c.term, "NO_COLOR": c.noColor}[k] }
		if got := InColor(getenv); got != c.want {
			t.Errorf("TERM=%q NO_COLOR=%q: %t", c.term, c.noColor, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, mode := range []Mode{ModeTTY, "fancy"} {
		if v, err := New(mode, &bytes.Buffer{}, Options{}); err == nil || v != nil {
			t.Errorf("New(%q) on a buffer = %v, %v; want an error", mode, v, err)
		}
	}
}

func TestNewAutoOnBufferIsPlainWithoutColors(t *testing.T) {
	var out bytes.Buffer
	v, err := New(ModeAuto, &out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v.Observe(sec(0), runOf(2, 1))
	v.Observe(sec(1), built("a", 1))
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "built     a") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("got %q", out.String())
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	v, err := New(ModeJSON, &out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	evil := "a\u009b2J\u202eb\U000e0041\x1b[2J"
	events := []journal.Event{runOf(2, 1), journal.StepStarted{Job: evil, Step: "x"}, unknownEvent{}}
	for i, e := range events {
		v.Observe(sec(float64(i)), e)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if text := strings.ReplaceAll(out.String(), "\n", ""); visible.JSON(text) != text {
		t.Errorf("the output has a hidden rune: %q", out.String())
	}
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(got) != len(events) {
		t.Fatalf("%d lines for %d events", len(got), len(events))
	}
	for i, line := range got {
		var o struct{ Type, Job string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if o.Type != events[i].Kind() {
			t.Errorf("line %d is of type %q, want %q", i, o.Type, events[i].Kind())
		}
		if i == 1 && o.Job != evil {
			t.Errorf("the job reads back as %q, want %q", o.Job, evil)
		}
	}
}

// Of a quiet run standard output has the images, those of an earlier run first,
// and standard error what went wrong.
func TestQuiet(t *testing.T) {
	with := func(e journal.JobFinished, digest string, tags ...string) journal.JobFinished {
		e.Entry.Digest, e.Entry.Tags = digest, tags
		return e
	}
	failing := ledger.Summary{Total: 3, Built: 1, Failed: 1, Unfinished: 1, StopReason: "enough", ResumeCommand: "stoker build --resume"}
	tests := []struct {
		name    string
		summary ledger.Summary
		out     string
	}{
		{"all is well", ledger.Summary{Total: 3, Built: 3}, "failed c d: line 1 line 2 (1m15s, 2 attempts, logs/c d.log)\n"},
		{"stopped", failing, `failed c d: line 1 line 2 (1m15s, 2 attempts, logs/c d.log)
stopped: 1 of 3 images built in 0.0s, 1 failed, 1 not finished
  reason: enough
results in stoker-out
go on with:
  stoker build --resume
`},
	}
	for _, tt := range tests {
		var out, results bytes.Buffer
		v, err := New(ModeQuiet, &out, Options{Results: &results,
			Pushed: map[string]bool{"kept": true, "a": true, "b": true, "no tag": true, "went nowhere": true, "into a file": false},
			Kept:   []ledger.Entry{{Name: "kept", Tags: []string{"r/kept:1"}, Digest: "sha256:0"}, {Name: "into a file", Tags: []string{"r/file:1"}, Digest: "sha256:f"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []journal.Event{
			runOf(3, 1), with(built("a", 1), "sha256:a", "r/a:1", "r/a:2"), with(skipped("b", "exists"), "sha256:b", "r/b:1"),
			with(built("no tag", 1), "sha256:c"), with(built("went nowhere", 1), "", "r/c:1"),
			with(built("into a file", 1), "sha256:f", "r/file:1"), journal.Warning{Message: "w"},
			journal.AttemptFailed{Job: "c", Attempt: 1, Error: "first", Retry: true},
			failed("c\nd", "failed to solve: line 1\nline 2", 2), unknownEvent{}, journal.RunFinished{Summary: tt.summary},
		} {
			v.Observe(sec(1), e)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != tt.out {
			t.Errorf("%s: got %q, want %q", tt.name, out.String(), tt.out)
		}
		if want := "r/kept:1@sha256:0\nr/a:1@sha256:a\nr/b:1@sha256:b\n"; results.String() != want {
			t.Errorf("%s: results %q, want %q", tt.name, results.String(), want)
		}
	}
}

// brokenPipe fails from its second write on.
type brokenPipe struct{ writes int }

var errBroken = errors.New("broken pipe")

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.writes++; b.writes > 1 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestCloseReturnsTheFirstWriteError(t *testing.T) {
	for _, mode := range []Mode{ModePlain, ModeJSON, ModeQuiet} {
		t.Run(string(mode), func(t *testing.T) {
			out := &brokenPipe{}
			v, err := New(mode, out, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				v.Observe(sec(1), failed("a", "no", 1))
			}
			for range 2 {
				if err := v.Close(); !errors.Is(err, errBroken) {
					t.Errorf("Close returns %v", err)
				}
			}
			if out.writes != 2 {
				t.Errorf("%d writes, want none after the first that failed", out.writes)
			}
		})
	}
}
