package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestModes(t *testing.T) {
	const refused = "refused"
	tests := []struct {
		name  string
		leave func(t *testing.T, dir string)
		// The manifest afterwards for each mode, or that it was refused.
		refuse, resume, fresh string
		archived              int // in the modes that archive
	}{
		{"no earlier run", func(*testing.T, string) {}, "", "", "", 0},
		{"an unrelated file", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "", "", "", 0},
		{"killed", func(t *testing.T, dir string) {
			l, _ := begin(t, dir, Refuse, plan("a", "b", "c"))
			add(t, l, Built, "a")
			add(t, l, Failed, "b")
			l.Close()
		}, refused, "a:built", "", 1},
		{"killed before its first job ended", func(t *testing.T, dir string) {
			l, _ := begin(t, dir, Refuse, plan("a", "b", "c"))
			l.Close()
		}, refused, "", "", 1},
		{"interrupted", func(t *testing.T, dir string) {
			l, _ := begin(t, dir, Refuse, plan("a", "b", "c"))
			add(t, l, Built, "b")
			finish(t, l, 3)
		}, refused, "b:built", "", 1},
		{"stopped before any job", func(t *testing.T, dir string) {
			l, _ := begin(t, dir, Refuse, plan("a", "b", "c"))
			finish(t, l, 3)
		}, "", "", "", 1},
		{"finished", func(t *testing.T, dir string) {
			l, _ := begin(t, dir, Refuse, plan("a", "b", "c"))
			add(t, l, Built, "a")
			add(t, l, Failed, "b")
			add(t, l, Skipped, "c")
			finish(t, l, 3)
		}, "", "a:built c:skipped_remote_exists", "", 1},
		{"finished but its summary was removed", func(t *testing.T, dir string) {
			l, _ := begin(t, dir, Refuse, plan("a"))
			add(t, l, Built, "a")
			finish(t, l, 1)
			if err := os.Remove(filepath.Join(dir, SummaryFile)); err != nil {
				t.Fatal(err)
			}
		}, refused, "a:built", "", 1},
		{"only its events are left", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, EventsFile), []byte("{}\n{"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, refused, "", "", 1},
		{"its record is damaged", func(t *testing.T, dir string) {
			l, _ := begin(t, dir, Refuse, plan("a"))
			add(t, l, Built, "a", "gone")
			l.Close()
			if err := os.WriteFile(filepath.Join(dir, RunFile), []byte("{"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, refused, "a:built", "", 1},
	}
	for _, tt := range tests {
		for mode, want := range []string{Refuse: tt.refuse, Resume: tt.resume, Fresh: tt.fresh} {
			t.Run(fmt.Sprint(tt.name, " mode ", mode), func(t *testing.T) {
				dir := t.TempDir()
				tt.leave(t, dir)
				l, resumed, err := Start(dir, StartOptions{Now: start, Mode: Mode(mode), Plan: plan("a", "b", "c")})
				if want == refused {
					var unfinished *UnfinishedError
					if !errors.As(err, &unfinished) || l != nil {
						t.Errorf("got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				if got := strings.TrimSuffix(manifest(t, dir), " gone:built"); got != want || names(resumed.Entries) != want || names(l.Entries()) != want {
					t.Errorf("the manifest holds %q, want %q; resumed %q", got, want, names(resumed.Entries))
				}
				moved := tt.archived
				if Mode(mode) == Resume {
					moved = 0
				}
				if got := archived(t, dir); got != moved {
					t.Errorf("%d runs were archived", got)
				}
				add(t, l, Built, "z")
				if got := manifest(t, dir); !strings.HasSuffix(got, "z:built") {
					t.Errorf("after a job, the manifest holds %q", got)
				}
			})
		}
	}
}

func TestUnfinishedErrorSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a", "b", "c"))
	add(t, l, Built, "a")
	add(t, l, Failed, "c")
	l.Close()
	_, _, err := Start(dir, StartOptions{Now: start, Plan: plan("a")})
	if err == nil {
		t.Fatal("not refused")
	}
	for _, want := range []string{"--resume", "--fresh", "2 of 3", dir} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	// A refusal changes nothing and leaves the directory free.
	if got := manifest(t, dir); got != "a:built c:failed" {
		t.Errorf("the manifest holds %q", got)
	}
	begin(t, dir, Resume, plan("a", "b", "c"))
}

func TestLogsOfEarlierAttemptsAreKept(t *testing.T) {
	dir := t.TempDir()
	write := func(l *Ledger, attempt int) string {
		log, err := l.CreateLog("a", attempt)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		fmt.Fprintf(log, "attempt %d", attempt)
		return filepath.Base(log.Name())
	}
	l, _ := begin(t, dir, Refuse, plan("a"))
	if next := nextAttempt(l.root, "a"); next != 1 {
		t.Errorf("the first attempt is %d", next)
	}
	write(l, 1)
	write(l, 2)
	l.Close()
	if err := os.WriteFile(filepath.Join(dir, LogsDir, "a", "attempt-x.log"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l, _ = begin(t, dir, Resume, plan("a"))
	if next := nextAttempt(l.root, "a"); next != 3 {
		t.Errorf("the next attempt is %d", next)
	}
	if got := write(l, 1); got != "attempt-3.log" {
		t.Errorf("a taken number became %s", got)
	}
	if data, err := os.ReadFile(filepath.Join(l.dir, logName("a", 1))); err != nil || string(data) != "attempt 1" {
		t.Errorf("the first log is %q, %v", data, err)
	}
}

func TestEntriesThatAreTooLong(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a"))
	if err := l.Add(Entry{Name: "a", Error: ptr(strings.Repeat("x", maxLine))}); err == nil {
		t.Error("it was written")
	}
	if got := manifest(t, dir); got != "" {
		t.Errorf("the manifest holds %q", got)
	}
}

func TestStartNamesTheDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Start(filepath.Join(file, "out"), StartOptions{Now: start}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}
