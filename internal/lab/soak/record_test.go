package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
)

const (
	lineA    = `{"name":"a","status":"built","digest":"1"}` + "\n"
	againA   = `{"name":"a","status":"built","digest":"2"}` + "\n"
	lineB    = `{"name":"b","status":"skipped_remote_exists"}` + "\n"
	failedB  = `{"name":"b","status":"failed"}` + "\n"
	startA   = `{"type":"job_started","job":"a"}` + "\n"
	startB   = `{"type":"job_started","job":"b"}` + "\n"
	finishA  = `{"type":"job_finished","entry":{"name":"a"}}` + "\n"
	astray   = `{"type":"sweep_finished","live_removed_records":1}` + "\n"
	cutShort = `{"type":"job_fin`
)

// What a record says before and after a kill, and what is wrong with it.
func TestRecord(t *testing.T) {
	tests := map[string]struct {
		manifest, events           string // at the kill
		laterManifest, laterEvents string
		says                       string
	}{
		"right":                           {lineA, startA + finishA, lineA + lineB, startA + finishA + startB, ""},
		"an attempt that was cut short":   {"", startA, lineA + lineB, startA + startA + finishA, ""},
		"the kill cut the event":          {lineA, startA + cutShort, lineA + lineB, startA + startB, ""},
		"a line that is still written":    {lineA + `{"na`, "", lineA + lineB, "", ""},
		"built again":                     {lineA, startA + finishA, lineA + lineB, startA + finishA + startA, "a was built again"},
		"built again, the event was lost": {lineA, startA + cutShort, lineA + lineB, startA + startA, "a was built again"},
		"lost before the kill":            {lineA, "", lineB, "", "the manifest has changed"},
		"made again":                      {lineA, "", againA + lineB, "", "the manifest has changed"},
		"a live record was removed":       {lineA, startA + finishA, lineA + lineB, startA + finishA + astray, "a sweep removed 1 records"},
		"missing":                         {lineA, "", lineA, "", "b has 0 lines"},
		"twice":                           {lineA, "", lineA + lineB + lineB, "", "b has 2 lines"},
		"unknown":                         {lineA, "", lineA + lineB + `{"name":"c"}` + "\n", "", "which is of no base image"},
		"failed":                          {lineA, "", lineA + failedB, "", "gave up"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := checkRecord(t, tt.manifest, tt.events, tt.laterManifest, tt.laterEvents); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.says) || (got == "") != (tt.says == "") {
				t.Errorf("it says %q, want %q", got, tt.says)
			}
		})
	}
}

// checkRecord looks at a record at a kill and at the end, and checks it against the jobs a and b.
func checkRecord(t *testing.T, manifest, events, laterManifest, laterEvents string) error {
	t.Helper()
	r := newRecord(t.TempDir())
	writeRecord(t, r.dir, manifest, events)
	if err := r.look(); err != nil {
		return err
	}
	if err := r.mark(); err != nil {
		return err
	}
	writeRecord(t, r.dir, laterManifest, laterEvents)
	if err := r.look(); err != nil {
		return err
	}
	return r.check([]string{"a", "b"})
}

func writeRecord(t *testing.T, dir, manifest, events string) {
	t.Helper()
	for name, text := range map[string]string{ledger.ManifestFile: manifest, ledger.EventsFile: events} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
