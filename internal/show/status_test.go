package show

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// eventLines are events as events.jsonl has them.
func eventLines(t *testing.T, events ...told) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	for _, e := range events {
		line, err := journal.Marshal(sec(e.at), e.event)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return &b
}

func statusRecord(entries ...ledger.Entry) ledger.Record {
	return ledger.Record{
		Dir: "stoker-out", Entries: entries, Writing: true, Here: true,
		Run: ledger.RunRecord{JobCount: 9, Host: "here", PID: 42, StartedAt: ledger.Time{Time: sec(0)}, ResumeCommand: "stoker build --images '" + strings.Repeat("long ", 40) + "' --resume"},
	}
}

func failedEntry(name, why string) ledger.Entry {
	log := "stoker-out/logs/" + name + "/attempt-1.log"
	return ledger.Entry{Name: name, Status: ledger.Failed, Error: &why, LogPath: &log}
}

func TestStatusOfARunningRun(t *testing.T) {
	events := eventLines(t,
		told{0, journal.RunStarted{Jobs: 9, Workers: 3, Nodes: []string{"node-a"}}}, // was killed, and resumed
		told{1, journal.JobStarted{Job: "of the killed run"}},
		told{100, journal.RunStarted{Jobs: 9, Kept: 3, Workers: 3, Nodes: []string{"node-a"}}},
		told{101, journal.JobStarted{Job: "b"}}, told{101, journal.AttemptStarted{Job: "b", Attempt: 1}},
		told{102, journal.JobStarted{Job: "c"}}, told{103, journal.AttemptStarted{Job: "c", Attempt: 2}},
		told{104, journal.StepStarted{Job: "c", Step: "[2/3] RUN make"}},
		told{160, built("b", 59)},
		told{161, failed("x", "no", 1)},
		told{162, journal.SweepFinished{ReclaimedRecords: 3, ReclaimedBytes: 2e9}},
		told{165, journal.WaitingForSpace{Job: "d", NeedBytes: 3e9, FreeBytes: 1e9}},
	)
	events.WriteString(`{"time":"2026-01-02T03:04:05Z","type":"of_tomorrow"}` + "\n" + `{"time":"2026-01-02T03:0`)
	r := statusRecord(ledger.Entry{Name: "a", Status: ledger.Built}, ledger.Entry{Name: "b", Status: ledger.Built},
		failedEntry("x", "no"), failedEntry("y", "other"), failedEntry("z", "no"))
	s, err := StatusOf(r, events, sec(170))
	if err != nil {
		t.Fatal(err)
	}
	want := `stoker-out: running for 1m10s (process 42 on here)
5 of 9 jobs done · 2 built, 0 skipped, 3 failed · 52 images/h · 3 workers
2GB reclaimed · waiting 5s for space: d needs 3GB
running
  c  attempt 2  [2/3] RUN make                                             1m08s
failed
  2 images: no
    x, z
    stoker-out/logs/x/attempt-1.log
  y: other
    stoker-out/logs/y/attempt-1.log
`
	if got := s.Text(80, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if s.State != Running || s.Unfinished != 4 || s.Waiting == nil || s.Waiting.Seconds != 5 || s.Reclaimed != 2e9 || len(s.Running) != 1 || s.Running[0].Doing != "[2/3] RUN make" {
		t.Errorf("%+v", s)
	}
	if s.LeftSeconds != nil {
		t.Errorf("%v s are left, which cannot be told before each worker has built", *s.LeftSeconds)
	}
}

func TestStatusOfARunThatIsOver(t *testing.T) {
	events := func() *bytes.Buffer {
		return eventLines(t, told{0, runOf(9, 2)}, told{1, journal.JobStarted{Job: "a"}}, told{60, built("a", 59)}, told{61, journal.JobStarted{Job: "b"}})
	}
	all := make([]ledger.Entry, 9)
	for i := range all {
		all[i] = ledger.Entry{Name: fmt.Sprint(i), Status: ledger.Built}
	}
	one := all[:1]
	tests := []struct {
		name    string
		change  func(r *ledger.Record)
		entries []ledger.Entry
		state   string
		says    string
		goesOn  bool
	}{
		{"finished", func(r *ledger.Record) { r.Summary = &ledger.Summary{} }, all, Finished, "9 of 9 jobs done", false},
		{"finished, but some failed", func(r *ledger.Record) { r.Summary = &ledger.Summary{} }, append(all[:8:8], failedEntry("x", "no")), Finished, "  x: no", true},
		{"stopped", func(r *ledger.Record) { r.Summary = &ledger.Summary{StopReason: "interrupted"} }, one, Stopped, "interrupted", true},
		{"killed", func(*ledger.Record) {}, one, Killed, "it was killed, or the machine went down, or its disk was full", true},
		{"on a full disk", func(r *ledger.Record) { r.DiskFull = true }, one, Stopped, "the disk of its record is full", true},
		{"of another machine", func(r *ledger.Record) { r.Run.Host, r.Here = "there", false }, one, Unknown, "it ran on there", true},
		{"of a version that did not say where", func(r *ledger.Record) { r.Run.Host, r.Run.ResumeCommand = "", "" }, one, Killed, "it was killed", false},
	}
	for _, tt := range tests {
		r := statusRecord(tt.entries...)
		r.Writing = false
		tt.change(&r)
		s, err := StatusOf(r, events(), sec(9999))
		if err != nil {
			t.Fatal(err)
		}
		text := s.Text(80, false)
		if s.State != tt.state || !strings.Contains(text, tt.says) || strings.Contains(text, r.Run.ResumeCommand) != tt.goesOn && tt.goesOn {
			t.Errorf("%s: %s\n%s", tt.name, s.State, text)
		}
		if (s.ResumeCommand != "") != tt.goesOn || len(s.Running) > 0 || s.ElapsedSeconds != 61 {
			t.Errorf("%s: %+v", tt.name, s)
		}
	}
}

// A run that has said why it stops, and could not write its end, was not killed.
func TestStatusOfARunThatCouldNotWriteItsEnd(t *testing.T) {
	const why = "the manifest cannot be written: no space left on device"
	events := eventLines(t, told{0, runOf(9, 2)}, told{60, journal.Stopping{Reason: why}})
	r := statusRecord()
	r.Writing = false
	s, err := StatusOf(r, events, sec(99))
	if err != nil || s.State != Stopped || !strings.HasPrefix(s.Reason, why) || s.ResumeCommand == "" {
		t.Errorf("%v: %+v", err, s)
	}
}

// Failures of one step are one cause, whatever else it prints.
func TestStatusGroupsFailuresAsTheRunDoes(t *testing.T) {
	var entries []ledger.Entry
	for i := range 9 {
		e, why := brokenBuild(fmt.Sprint("job-", i)), brokenMake
		why.Message = fmt.Sprintf("task %d: cannot find %s", i, strings.Repeat("everything ", 20))
		e.Failure = &why
		entries = append(entries, e)
	}
	step := strings.TrimSpace(strings.Repeat("a long step ", 20))
	events := eventLines(t, told{0, runOf(9, 2)}, told{1, journal.StepStarted{Job: strings.Repeat("long-name-", 12), Step: step}})
	s, err := StatusOf(statusRecord(entries...), events, sec(61))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Failures) != 1 || len(s.Failures[0].Jobs) != 9 || s.Failures[0].Failure.ExitCode != 2 {
		t.Fatalf("failures %+v", s.Failures)
	}
	got := s.Text(0, false)
	for _, want := range []string{
		"  9 images: agent/Dockerfile:5: task 0: cannot find " + strings.TrimSpace(strings.Repeat("everything ", 20)) + "\n    job-0, job-1, job-2, and 6 more\n",
		"  " + strings.Repeat("long-name-", 12) + "  " + step + "  1m00s\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout %q", got, want)
		}
	}
}

func TestStatusFits(t *testing.T) {
	var events []told
	events = append(events, told{0, runOf(900, 30)})
	var entries []ledger.Entry
	for i := range 40 {
		events = append(events, told{1, journal.JobStarted{Job: fmt.Sprintf("a-job-with-a-rather-long-name-%d", i)}})
		entries = append(entries, failedEntry(fmt.Sprintf("job-%d", i), fmt.Sprintf("a reason that is long enough for a line of its own, number %d of many, \x1b[2J", i%8)))
	}
	events = append(events, told{2, journal.Warning{Message: strings.Repeat("w ", 90)}}, told{2, journal.Stopping{Reason: "interrupted"}})
	for width := 1; width < 130; width += 7 {
		s, err := StatusOf(statusRecord(entries...), eventLines(t, events...), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		text := s.Text(width, true)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > 45 {
			t.Errorf("%d lines are more than a screen", len(lines))
		}
		for _, line := range lines {
			if w := ansi.StringWidth(line); w > width {
				t.Errorf("at width %d: %q is %d wide", width, line, w)
			}
		}
		if strings.Contains(text, "\x1b[2J") {
			t.Error("what a build wrote reaches the terminal")
		}
	}
}

// Without its events the times of a run are those of its summary, and what is wrong with its
// record is said. A command is one, whatever the record has in it.
func TestStatusOfARecordThatIsNotWhole(t *testing.T) {
	r := statusRecord()
	r.Writing, r.Notes = false, []string{"manifest.jsonl is missing\x1b[2J"}
	r.Summary, r.Run.ResumeCommand = &ledger.Summary{FinishedAt: ledger.Time{Time: sec(75)}}, "stoker build\nrm x"
	s, err := StatusOf(r, strings.NewReader(""), sec(9999))
	if err != nil || s.ElapsedSeconds != 75 {
		t.Fatalf("%v, after %g s", err, s.ElapsedSeconds)
	}
	text := s.Text(0, false)
	for _, want := range []string{"stopped after 1m15s", "  ! manifest.jsonl is missing\n", "  stoker build rm x\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
