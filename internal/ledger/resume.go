package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// read takes in the manifest of an earlier run.
func (e *earlier) read(manifest []byte) error {
	var err error
	e.entries, e.notes, e.good, err = ReadManifest(bytes.NewReader(manifest))
	e.size = int64(len(manifest))
	e.lines = bytes.Count(manifest[:e.good], []byte("\n"))
	return err
}

// resume goes on with an earlier run. Its steps are in an order in which a crash
// between any two leaves what the next resume needs: run.json holds the earlier
// plan until no line of a job that has changed since is left.
func (l *Ledger) resume(before *earlier, o StartOptions) (Resumed, error) {
	if err := l.reopen(before); err != nil {
		return Resumed{}, err
	}
	changes := compare(before.run.Plan.Jobs, o.Plan.Jobs)
	kept := keep(before.entries, o.Plan.Jobs, changes.changed)
	if o.Keep != nil {
		kept = o.Keep(kept)
	}
	if err := repair(filepath.Join(l.dir, ManifestFile), before, kept); err != nil {
		return Resumed{}, fmt.Errorf("repairing the manifest: %w", err)
	}
	l.run = before.run
	l.run.StokerVersion, l.run.Plan, l.run.JobCount = o.Version, o.Plan, len(o.Plan.Jobs)
	l.run.ResumedAt = append(l.run.ResumedAt, Time{o.Now})
	if l.run.StartedAt.IsZero() {
		l.run.StartedAt = Time{o.Now}
	}
	if err := writeRun(l.dir, l.run); err != nil {
		return Resumed{}, err
	}
	cut, err := l.openFiles()
	l.entries = slices.Clone(kept)
	return Resumed{Entries: kept, Notes: resumeNotes(before, changes, o.Plan, cut)}, err
}

// reopen makes a finished run unfinished: its summary will not hold any more.
func (l *Ledger) reopen(before *earlier) error {
	if before.run.Finished {
		before.run.Finished, before.run.FinishedAt = false, Time{}
		if err := writeRun(l.dir, before.run); err != nil {
			return err
		}
	}
	for _, name := range []string{SummaryFile, MarkdownFile} {
		if err := os.Remove(filepath.Join(l.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// keep returns the entries of the planned jobs that need no build any more.
func keep(entries []Entry, plan []PlanJob, changed []string) []Entry {
	planned := map[string]bool{}
	for _, j := range plan {
		planned[j.Name] = true
	}
	for _, name := range changed {
		planned[name] = false
	}
	var kept []Entry
	for _, e := range entries {
		if done := e.Status == Built || e.Status == Skipped; done && planned[e.Name] {
			kept = append(kept, e)
		}
	}
	return kept
}

// repair leaves a manifest with one line for each kept entry. One whose end was
// cut off needs no more than to be cut back, which works on a full disk too.
func repair(path string, before *earlier, kept []Entry) error {
	if len(kept) != before.lines {
		return rewrite(path, kept)
	}
	if before.good == before.size {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(before.good), f.Sync(), f.Close())
}

func rewrite(path string, entries []Entry) error {
	var b bytes.Buffer
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	return replaceFile(path, b.Bytes())
}

// resumeNotes tells what a person should know about a resumed run.
func resumeNotes(before *earlier, c changes, plan PlanID, cut bool) []string {
	notes := slices.Clone(before.notes)
	if cut {
		notes = append(notes, "the last line of "+EventsFile+" was cut off and is removed")
	}
	if before.runErr != nil {
		return append(notes, fmt.Sprintf("how the plan has changed cannot be told, finished jobs are kept by their names alone: %s", before.runErr))
	}
	if was := before.run.Plan.Digest; was != "" && plan.Digest != "" && was != plan.Digest {
		notes = append(notes, "what the images are made from has changed since; those that are finished are kept as they are, --fresh builds them again")
	}
	return append(notes, c.notes()...)
}

// notes says the changes of a plan in words.
func (c changes) notes() []string {
	var notes []string
	for _, n := range []struct {
		names []string
		text  string
	}{
		{c.added, "new in the plan"},
		{c.gone, "no longer in the plan"},
		{c.changed, "to be built with other tags or another base image than before"},
	} {
		switch len(n.names) {
		case 0:
		case 1:
			notes = append(notes, fmt.Sprintf("1 job is %s: %s", n.text, n.names[0]))
		default:
			notes = append(notes, fmt.Sprintf("%d jobs are %s: %s", len(n.names), n.text, some(n.names)))
		}
	}
	return notes
}

// How many names a note lists.
const namesInNote = 8

// some lists names, the first few of many.
func some(names []string) string {
	if more := len(names) - namesInNote; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:namesInNote], ", "), more)
	}
	return strings.Join(names, ", ")
}
