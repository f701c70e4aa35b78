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

	"github.com/stoker-build/stoker/internal/plural"
)

// resume goes on with an earlier run. Its steps are in an order in which a crash
// between any two leaves what the next resume needs: run.json holds the earlier
// plan until no line of a job that has changed since is left.
func (l *Ledger) resume(before *earlier, o StartOptions) (Resumed, error) {
	if err := l.reopen(before); err != nil {
		return Resumed{}, err
	}
	kept := o.stillHold(keep(before.manifest.Entries, o.Plan.Jobs))
	if err := repair(filepath.Join(l.dir, ManifestFile), before, kept, o.Plan.Jobs); err != nil {
		return Resumed{}, fmt.Errorf("repairing the manifest: %w", err)
	}
	notes := resumeNotes(before, o.Plan.Jobs, kept)
	l.run = before.run
	l.run.StokerVersion, l.run.Plan, l.run.JobCount = o.Version, o.Plan, len(o.Plan.Jobs)
	l.run.ResumedAt = append(l.run.ResumedAt, Time{o.Now})
	if l.run.StartedAt.IsZero() {
		l.run.StartedAt = Time{o.Now}
	}
	l.run.sign(o)
	if err := writeRun(l.dir, l.run); err != nil {
		return Resumed{}, err
	}
	cut, err := l.openFiles()
	if cut {
		notes = append(notes, "the last line of "+EventsFile+" was cut off and is removed")
	}
	l.entries = entriesOf(kept)
	resumed := Resumed{Entries: entriesOf(kept), Notes: notes}
	resumed.Failed, resumed.CutShort = l.begun(before.manifest.Entries, o.Plan.Jobs, kept)
	return resumed, err
}

// begun returns the names of the planned jobs, not kept ones, at which an earlier run
// has made attempts: that have failed, and that have no entry.
func (l *Ledger) begun(entries []Entry, plan []PlanJob, kept []Kept) (failed, cutShort []string) {
	ended := map[string]bool{}
	for _, k := range kept {
		ended[k.Entry.Name] = true
	}
	find := finder(plan)
	for _, e := range entries {
		if j, planned := find(e); planned && e.Status == Failed && e.AttemptCount > 0 && !ended[j.Name] {
			ended[j.Name] = true
			failed = append(failed, j.Name)
		}
	}
	for _, j := range plan {
		if !ended[j.Name] && nextAttempt(l.root, j.Name) > 1 {
			cutShort = append(cutShort, j.Name)
		}
	}
	return failed, cutShort
}

// reopen makes a finished run unfinished: its summary will not hold any more.
func (l *Ledger) reopen(before *earlier) error {
	if before.run.Finished {
		before.run.Finished, before.run.FinishedAt = false, Time{}
		if err := writeRun(l.dir, before.run); err != nil {
			return err
		}
	}
	for _, name := range []string{SummaryFile, MarkdownFile, RefsFile, PageFile, TraceFile} {
		if err := os.Remove(filepath.Join(l.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Kept is the entry of a finished job that goes on in another plan.
type Kept struct {
	// Entry has the name that its job has in that plan, and of its tags those
	// that the plan has, too.
	Entry Entry
	// Missing are further tags that the plan has for it.
	Missing []string

	before Entry // as it was in the manifest
}

// changed tells whether the line in the manifest must be another.
func (k Kept) changed() bool {
	return k.Entry.Name != k.before.Name || !slices.Equal(k.Entry.Tags, k.before.Tags)
}

// keep returns the entries of the planned jobs that need no build any more: of
// jobs that are built on the same base image and have one of the tags, or the
// same name where they have no tags. (Names may change when rows that would like
// the same one change places.)
func keep(entries []Entry, plan []PlanJob) []Kept {
	var kept []Kept
	taken := map[string]bool{}
	find := finder(plan)
	for _, e := range entries {
		j, planned := find(e)
		if e.Status.Made() && planned && !taken[j.Name] {
			taken[j.Name] = true
			kept = append(kept, keptFor(e, j))
		}
	}
	return kept
}

// finder returns a function that finds the job of a plan that an entry is of.
func finder(plan []PlanJob) func(e Entry) (j PlanJob, planned bool) {
	byName, byTag := map[string]PlanJob{}, map[string]PlanJob{}
	for _, j := range plan {
		byName[j.Name] = j
		for _, tag := range j.Tags {
			byTag[tag] = j // no two jobs have the same
		}
	}
	return func(e Entry) (PlanJob, bool) {
		j, planned := byName[e.Name]
		for i := 0; i < len(e.Tags) && !(planned && goesOn(e, j)); i++ {
			j, planned = byTag[e.Tags[i]]
		}
		return j, planned && goesOn(e, j)
	}
}

// goesOn tells whether what an entry says was made is what a job is to make.
func goesOn(e Entry, j PlanJob) bool {
	if e.BaseImage != j.Base {
		return false
	}
	if len(e.Tags) == 0 && len(j.Tags) == 0 {
		return e.Name == j.Name
	}
	return slices.ContainsFunc(j.Tags, func(tag string) bool { return slices.Contains(e.Tags, tag) })
}

func keptFor(e Entry, j PlanJob) Kept {
	k := Kept{Entry: e, before: e}
	k.Entry.Name = j.Name
	k.Entry.Tags = slices.DeleteFunc(slices.Clone(e.Tags), func(tag string) bool { return !slices.Contains(j.Tags, tag) })
	for _, tag := range j.Tags {
		if !slices.Contains(e.Tags, tag) {
			k.Missing = append(k.Missing, tag)
		}
	}
	return k
}

// stillHold asks whoever started the run which entries still hold. One that
// lacks a tag does not.
func (o StartOptions) stillHold(kept []Kept) []Kept {
	if o.Keep != nil {
		kept = o.Keep(kept)
	}
	return slices.DeleteFunc(kept, func(k Kept) bool { return len(k.Missing) > 0 })
}

func entriesOf(kept []Kept) []Entry {
	var entries []Entry
	for _, k := range kept {
		entries = append(entries, k.Entry)
	}
	return entries
}

// repair leaves a manifest with one line for each kept entry, and for each of a job
// that is not in the plan: another plan may have it again. One whose end was cut off
// needs no more than to be cut back, which works on a full disk too.
func repair(path string, before *earlier, kept []Kept, plan []PlanJob) error {
	lines := slices.Concat(unplanned(before.manifest.Entries, plan, kept), entriesOf(kept))
	if len(lines) != before.manifest.Lines || slices.ContainsFunc(kept, Kept.changed) {
		return rewrite(path, lines)
	}
	if before.manifest.Good == before.manifest.Size {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(before.manifest.Good), f.Sync(), f.Close())
}

// unplanned returns the entries of jobs that a plan does not have.
func unplanned(entries []Entry, plan []PlanJob, kept []Kept) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), inPlan(plan, kept))
}

// inPlan tells of entries whether a plan has their jobs, some of which go on under
// another name in it.
func inPlan(plan []PlanJob, kept []Kept) func(Entry) bool {
	names, went := map[string]bool{}, map[string]bool{}
	for _, j := range plan {
		names[j.Name] = true
	}
	for _, k := range kept {
		went[k.before.Name] = true
	}
	find := finder(plan)
	return func(e Entry) bool {
		_, planned := find(e)
		return planned || names[e.Name] || went[e.Name]
	}
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
func resumeNotes(before *earlier, plan []PlanJob, kept []Kept) []string {
	notes := slices.Clone(before.manifest.Notes)
	var remade, renamed, tagged []string
	digests := map[string]string{}
	for _, j := range plan {
		digests[j.Name] = j.Digest
	}
	was := map[string]string{}
	for _, j := range before.run.Plan.Jobs {
		was[j.Name] = j.Digest
	}
	over := map[string]string{}
	for _, k := range kept {
		name, old := k.Entry.Name, k.before.Name
		over[old] = name
		if was[old] != "" && digests[name] != "" && was[old] != digests[name] {
			remade = append(remade, name)
		}
		if name != old {
			renamed = append(renamed, name+" (was "+old+")")
		}
		if !containsAll(k.before.Tags, k.Entry.Tags) {
			tagged = append(tagged, name)
		}
	}
	if before.runErr != nil {
		notes = append(notes, fmt.Sprintf("what the images were made from cannot be told, finished jobs are kept by base image and tags: %s", before.runErr))
	} else {
		notes = append(notes, compare(before.run.Plan.Jobs, plan, over).notes()...)
	}
	notes = append(notes, noteOf(renamed, "finished under another name")...)
	notes = append(notes, noteOf(tagged, "finished, and given the tags that are new")...)
	return append(notes, remadeNote(remade)...)
}

// remadeNote tells of finished jobs whose Dockerfile or arguments are others now.
func remadeNote(names []string) []string {
	text := "finished, and kept, although what it is made from has changed since (to build it again: --fresh --force)"
	if len(names) > 1 {
		text = "finished, and kept, although what they are made from has changed since (to build them again: --fresh --force)"
	}
	return noteOf(names, text)
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// notes says the changes of a plan in words.
func (c changes) notes() []string {
	return slices.Concat(
		noteOf(c.added, "new in the plan"),
		noteOf(c.gone, "no longer in the plan"),
		noteOf(c.changed, "to be built with other tags or another base image than before"),
	)
}

// noteOf says in a note what jobs are; none when there are no jobs.
func noteOf(names []string, text string) []string {
	switch len(names) {
	case 0:
		return nil
	case 1:
		return []string{fmt.Sprintf("1 job is %s: %s", text, names[0])}
	}
	return []string{fmt.Sprintf("%d jobs are %s: %s", len(names), text, plural.Some(names, namesInNote, ", "))}
}

// How many names a note lists.
const namesInNote = 8
