package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func look(t *testing.T, dir string) Record {
	t.Helper()
	r, err := Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is no longer planned stays on record, and is not told.
func TestLookAtAShorterPlan(t *testing.T) {
	dir := t.TempDir()
	for _, jobs := range [][]string{{"a", "b", "c"}, {"a"}} {
		l, _, err := Start(dir, StartOptions{Now: start, Mode: Resume, Plan: plan(jobs...)})
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) > 1 {
			add(t, l, Built, "a", "b")
			addFailed(t, l, "c")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(look(t, dir).Entries); got != "a:built" {
		t.Errorf("of the jobs it tells %s", got)
	}
}

// addFailed adds a job that failed and has a log.
func addFailed(t *testing.T, l *Ledger, name string) {
	t.Helper()
	log, err := l.CreateLog(name, 1)
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	path, why := log.Name(), `it says "log_path":"`+log.Name()
	if err := l.Add(Entry{Name: name, Status: Failed, LogPath: &path, Error: &why}); err != nil {
		t.Fatal(err)
	}
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	var noRun *NoRunError
	if _, err := Look(dir); !errors.As(err, &noRun) || noRun.Dir != dir {
		t.Errorf("of no run: %v", err)
	}
	l, _, err := Start(dir, StartOptions{Now: start, Plan: plan("a", "b"), Version: "v1", ResumeCommand: "stoker build --resume"})
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, Built, "a")
	// Another process may be in the middle of a line.
	f, err := os.OpenFile(filepath.Join(dir, ManifestFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"name":"b","stat`)
	f.Close()

	r := look(t, dir)
	host, _ := os.Hostname()
	if !r.Writing || !r.Here || r.Summary != nil || names(r.Entries) != "a:built" || r.Run.PID != os.Getpid() || r.Run.Host != host || r.Run.ResumeCommand != "stoker build --resume" {
		t.Errorf("while it runs: %+v", r)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := look(t, dir); r.Writing || r.Run.Finished {
		t.Errorf("killed: %+v", r)
	}
	l, _ = begin(t, dir, Resume, plan("a", "b"))
	addFailed(t, l, "b")
	finish(t, l, 2)
	if r := look(t, dir); r.Writing || !r.Run.Finished || r.Summary == nil || r.Summary.Failed != 1 || len(r.Run.ResumedAt) != 1 {
		t.Errorf("finished: %+v", r)
	}

	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if got, want := *look(t, moved).Entries[1].LogPath, filepath.Join(moved, "logs/b/attempt-1.log"); got != want {
		t.Errorf("the log of a run that was moved is at %s, want %s", got, want)
	}
}

// A run that starts while somebody looks at the earlier one is not refused.
func TestLookersLeaveTheLock(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a"))
	finish(t, l, 1)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = Look(dir)
				time.Sleep(time.Millisecond) // as even the most impatient do
			}
		}
	}()
	for range 50 {
		l, _ := begin(t, dir, Fresh, plan("a"))
		if r := look(t, dir); !r.Writing {
			t.Error("it is not seen that a run is writing")
		}
		l.Close()
	}
	close(stop)
	<-stopped
}

// What a record says of logs stays true when the run is archived, and nothing else
// in it changes.
func TestArchivedLogs(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := `a "quoted" & odd`
	l, _ := begin(t, dir, Refuse, plan("a", "b"))
	addFailed(t, l, "a")
	add(t, l, Built, "b")
	finish(t, l, 2)
	before := *look(t, dir).Entries[0].Error
	l, _ = begin(t, dir, Fresh, plan("a"))
	l.Close()
	found, _ := filepath.Glob("*/archive/*")
	if len(found) != 1 {
		t.Fatalf("archived: %q", found)
	}
	want := filepath.Join(found[0], "logs/a/attempt-1.log")
	data, err := os.ReadFile(filepath.Join(found[0], ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(strings.NewReader(string(data)))
	if err != nil || len(m.Entries) != 2 || *m.Entries[0].LogPath != want || *m.Entries[0].Error != before {
		t.Errorf("%v, manifest\n%s", err, data)
	}
	s, err := readSummary(found[0])
	if err != nil || s.FailedBuilds[0].LogPath != want || s.FailedBuilds[0].Error != before {
		t.Errorf("%v, summary %+v", err, s)
	}
	md, err := os.ReadFile(filepath.Join(found[0], MarkdownFile))
	if err != nil || !strings.Contains(string(md), "(logs/a/attempt-1.log)") {
		t.Errorf("%v\n%s", err, md)
	}
	if _, err := os.Stat(want); err != nil {
		t.Error(err)
	}
}

// A record of which the manifest was taken away says so, and what is known all the same.
func TestLookWithoutAManifest(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a", "b"))
	add(t, l, Built, "a")
	addFailed(t, l, "b")
	finish(t, l, 2)
	if r := look(t, dir); len(r.Notes) > 0 {
		t.Errorf("of a whole record: %q", r.Notes)
	}
	if err := os.Remove(filepath.Join(dir, ManifestFile)); err != nil {
		t.Fatal(err)
	}
	if r := look(t, dir); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "manifest.jsonl is missing") || !strings.Contains(r.Notes[0], "1 built, 0 skipped and 1 failed") {
		t.Errorf("without: %q", r.Notes)
	}
}
