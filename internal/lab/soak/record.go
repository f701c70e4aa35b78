package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// record is what stoker has put on the disk about its run, as far as it was looked at.
type record struct {
	dir     string
	text    []byte // whole lines of the manifest
	entries []ledger.Entry
	grown   time.Time // when a line was last found
	marks   []mark
}

// mark is how far manifest and events were when stoker was killed.
type mark struct {
	entries int
	events  int // bytes
}

func newRecord(dir string) *record { return &record{dir: dir, grown: time.Now()} }

func (r *record) count() int { return len(r.entries) }

// look takes in the lines that the manifest has grown by. All earlier ones must still be there as they were: a line
// that is on the disk is final, over all kills.
func (r *record) look() error {
	text, err := r.read(ledger.ManifestFile)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(text, r.text) {
		return fmt.Errorf("the manifest has changed where it was final, it was:\n%s\nand is:\n%s", firstChange(r.text, text), firstChange(text, r.text))
	}
	for line := range bytes.Lines(text[len(r.text):]) {
		var e ledger.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %d of the manifest: %w: %s", r.count()+1, err, line)
		}
		if e.Status == ledger.Failed {
			return fmt.Errorf("stoker gave up on an image: %s", line)
		}
		r.entries, r.grown = append(r.entries, e), time.Now()
	}
	r.text = text
	return nil
}

// read is the whole lines of a file; a last one without its line feed is still being written, or was cut off.
func (r *record) read(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text[:bytes.LastIndexByte(text, '\n')+1], err
}

// firstChange is the first line of a text that another does not have at the same place.
func firstChange(text, other []byte) string {
	at := 0
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(other[min(at, len(other)):], line) {
			return string(bytes.TrimSpace(line))
		}
		at += len(line)
	}
	return "(nothing more)"
}

// mark remembers what is on record at a kill.
func (r *record) mark() error {
	events, err := r.read(ledger.EventsFile)
	r.marks = append(r.marks, mark{entries: r.count(), events: len(events)})
	return err
}

// begun tells whether a run has begun since the last kill.
func (r *record) begun() (bool, error) {
	events, err := r.read(ledger.EventsFile)
	if len(r.marks) > 0 {
		events = events[min(r.marks[len(r.marks)-1].events, len(events)):]
	}
	return bytes.Contains(events, []byte(`"type":"run_started"`)), err
}

// happening is what the check needs of a line of events.jsonl.
type happening struct {
	Type  string       `json:"type"`
	Job   string       `json:"job"`
	Entry ledger.Entry `json:"entry"`
	// LiveRemoved are records that a sweep removed without being asked to.
	LiveRemoved int `json:"live_removed_records"`
}

// check finds jobs that have not exactly one line, jobs that were started again after their line was on the disk, and
// sweeps that removed live records.
func (r *record) check(names []string) error {
	errs := []error{r.checkLines(names)}
	events, err := r.read(ledger.EventsFile)
	if err != nil {
		return err
	}
	finished := map[string]bool{}
	at := 0
	for line := range bytes.Lines(events) {
		r.finishedBefore(at, finished)
		at += len(line)
		var h happening
		if err := json.Unmarshal(line, &h); err != nil {
			return fmt.Errorf("a line of the events: %w: %s", err, line)
		}
		switch {
		case h.Type == "job_finished":
			finished[h.Entry.Name] = true
		case h.Type == "job_started" && finished[h.Job]:
			errs = append(errs, fmt.Errorf("%s was built again after its line was on the disk: %s", h.Job, line))
		case h.LiveRemoved > 0:
			errs = append(errs, fmt.Errorf("a sweep removed %d records that it was not asked to: %s", h.LiveRemoved, line))
		}
	}
	return errors.Join(errs...)
}

// finishedBefore adds the jobs that were on record at the kills up to an offset of the events. The events alone do not
// tell: a kill may come between a job's line and its event.
func (r *record) finishedBefore(offset int, finished map[string]bool) {
	for _, m := range r.marks {
		if m.events > offset {
			return
		}
		for _, e := range r.entries[:m.entries] {
			finished[e.Name] = true
		}
	}
}

func (r *record) checkLines(names []string) error {
	lines := map[string]int{}
	for _, e := range r.entries {
		lines[e.Name]++
	}
	var errs []error
	for _, name := range names {
		if lines[name] != 1 {
			errs = append(errs, fmt.Errorf("%s has %d lines in the manifest", name, lines[name]))
		}
		delete(lines, name)
	}
	for name := range lines {
		errs = append(errs, fmt.Errorf("the manifest has %s, which is of no base image", name))
	}
	return errors.Join(errs...)
}

// told counts what stoker told of that went wrong.
func (r *record) told() string {
	events, err := r.read(ledger.EventsFile)
	if err != nil {
		return err.Error()
	}
	count := func(kind string) int { return bytes.Count(events, []byte(`"type":"`+kind+`"`)) }
	return fmt.Sprintf("attempts that failed: %d, that lost the builder: %d, that met a full disk: %d",
		count("attempt_failed"), count("builder_lost"), count("disk_full"))
}
