package ledger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func plan(names ...string) PlanID {
	var p PlanID
	for _, name := range names {
		p.Jobs = append(p.Jobs, job(name))
	}
	return p
}

func job(name string) PlanJob {
	return PlanJob{Name: name, Base: "r/" + name + ":1", Tags: []string{"r/out:" + name}, Digest: "sha256:1"}
}

// built is the entry of a job that was built as planned.
func built(j PlanJob) Entry {
	return Entry{Name: j.Name, BaseImage: j.Base, Tags: j.Tags, Status: Built}
}

func begin(t *testing.T, dir string, mode Mode, p PlanID) (*Ledger, Resumed) {
	t.Helper()
	l, resumed, err := Start(dir, StartOptions{Now: start, Mode: mode, Plan: p, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, resumed
}

func add(t *testing.T, l *Ledger, status Status, names ...string) {
	t.Helper()
	for _, name := range names {
		e := built(job(name))
		e.Status = status
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
}

// finish ends a run of so many planned jobs in the regular way.
func finish(t *testing.T, l *Ledger, planned int) {
	t.Helper()
	s, err := l.Finish(Summarize(l.Entries(), planned, start, start.Add(time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tell(s.Markdown(true, "")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func manifest(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(strings.NewReader(string(data)))
	if err != nil || len(m.Notes) > 0 || int(m.Good) != len(data) {
		t.Errorf("the manifest is not clean: %q %v\n%s", m.Notes, err, data)
	}
	return names(m.Entries)
}

// archived returns how many runs were archived.
func archived(t *testing.T, dir string) int {
	t.Helper()
	runs, err := os.ReadDir(filepath.Join(dir, ArchiveDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return len(runs)
}
