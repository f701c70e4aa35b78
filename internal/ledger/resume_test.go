package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A run that is killed while it writes a line leaves any part of it.
func TestKilledAtEveryByteOfALine(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a", "b", "c"))
	add(t, l, Built, "a")
	path := filepath.Join(dir, ManifestFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, Built, "b")
	l.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := len(before); size <= len(whole); size++ {
		if err := os.WriteFile(path, whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		want, repaired := "a:built", size > len(before)
		if size == len(whole) {
			want, repaired = "a:built b:built", false
		}
		l, resumed := begin(t, dir, Resume, plan("a", "b", "c"))
		if got := manifest(t, dir); got != want || names(resumed.Entries) != want || (len(resumed.Notes) > 0) != repaired {
			t.Fatalf("cut at %d: %q, resumed %q with notes %q", size, got, names(resumed.Entries), resumed.Notes)
		}
		add(t, l, Built, "c")
		l.Close()
		if got := manifest(t, dir); got != want+" c:built" {
			t.Fatalf("cut at %d and gone on: %q", size, got)
		}
	}
}

func TestResumeRepairsAndSupersedes(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a", "b", "c", "d"))
	add(t, l, Built, "a")
	add(t, l, Failed, "b", "a")
	if _, err := l.manifest.file.WriteAt([]byte("{\"na\n"), l.manifest.end); err != nil {
		t.Fatal(err)
	}
	l.manifest.end += 5
	add(t, l, Built, "c")
	for _, event := range []string{`{"n":1}`, `{"n":2}`} {
		if err := l.Event([]byte(event)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.events.file.WriteAt([]byte(`{"n":`), l.events.end); err != nil {
		t.Fatal(err)
	}
	l.Close()

	l, resumed := begin(t, dir, Resume, plan("a", "b", "c", "d"))
	if names(resumed.Entries) != "c:built" || manifest(t, dir) != "c:built" {
		t.Errorf("resumed %q, manifest %q", names(resumed.Entries), manifest(t, dir))
	}
	notes := strings.Join(resumed.Notes, "\n")
	for _, want := range []string{"line 4 of manifest.jsonl", "jobs more than once", "events.jsonl was cut off"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not say %q:\n%s", want, notes)
		}
	}
	add(t, l, Built, "a", "b", "d")
	if err := l.Event([]byte(`{"n":3}`)); err != nil {
		t.Fatal(err)
	}
	finish(t, l, 4)
	events, err := os.ReadFile(filepath.Join(dir, EventsFile))
	if err != nil || string(events) != "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n" {
		t.Errorf("events %v\n%s", err, events)
	}
	if run, err := readRun(dir); err != nil || !run.Finished || len(run.ResumedAt) != 1 || run.JobCount != 4 || run.StokerVersion != "v1" {
		t.Errorf("run.json %+v %v", run, err)
	}
}

func TestResumeOfAFinishedRun(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a", "b"))
	add(t, l, Built, "a")
	add(t, l, Failed, "b")
	finish(t, l, 2)
	l, _ = begin(t, dir, Resume, plan("a", "b"))
	// As long as it runs, nothing says that it is finished.
	if _, err := os.Stat(filepath.Join(dir, SummaryFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old summary is still there: %v", err)
	}
	if run, err := readRun(dir); err != nil || run.Finished {
		t.Errorf("run.json %+v %v", run, err)
	}
	add(t, l, Built, "b")
	finish(t, l, 2)
	if manifest(t, dir) != "a:built b:built" {
		t.Errorf("the manifest holds %q", manifest(t, dir))
	}
}

func TestRemadeNote(t *testing.T) {
	want := []string{"2 jobs are finished, and kept, although what they are made from has changed since (to build them again: --fresh --force): a, b"}
	if got := remadeNote([]string{"a", "b"}); !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
	if got := remadeNote(nil); got != nil {
		t.Errorf("of no jobs, notes %q", got)
	}
}

func TestPlanChanges(t *testing.T) {
	was := plan("same", "gone", "base", "tags", "order", "fewer", "remade", "more", "none")
	was.Jobs[4].Tags = []string{"r/x:1", "r/x:2"}
	was.Jobs[5].Tags = []string{"r/y:1", "r/y:2"}
	was.Jobs[8].Base, was.Jobs[8].Tags = "", nil
	is := plan("new", "same", "base", "tags", "order", "fewer", "remade", "more", "none")
	is.Jobs[2].Base, is.Jobs[3].Tags = "r/base:2", nil
	is.Jobs[4].Tags = []string{"r/x:2", "r/x:1"}
	is.Jobs[5].Tags = []string{"r/y:2"}
	is.Jobs[6].Digest = "sha256:2"
	is.Jobs[7].Tags = append(is.Jobs[7].Tags, "r/more:2")
	is.Jobs[8].Base, is.Jobs[8].Tags = "", nil

	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, was)
	for _, j := range was.Jobs {
		if err := l.Add(built(j)); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	l, resumed := begin(t, dir, Resume, is)
	// What is no longer in the plan stays on record, and does not count.
	if got := manifest(t, dir); got != "gone:built same:built order:built fewer:built remade:built none:built" ||
		names(resumed.Entries) != strings.TrimPrefix(got, "gone:built ") || names(l.Entries()) != names(resumed.Entries) {
		t.Errorf("kept %q, manifest %q", names(resumed.Entries), got)
	}
	want := []string{
		"1 job is new in the plan: new",
		"1 job is no longer in the plan: gone",
		"3 jobs are to be built with other tags or another base image than before: base, tags, more",
		"1 job is finished, and kept, although what it is made from has changed since (to build it again: --fresh --force): remade",
	}
	if !slices.Equal(resumed.Notes, want) {
		t.Errorf("notes:\n%s", strings.Join(resumed.Notes, "\n"))
	}
	l.Close()
	l, resumed = begin(t, dir, Resume, is)
	if len(resumed.Notes) > 0 {
		t.Errorf("the second time, notes %q", resumed.Notes)
	}
	l.Close()
	unfinished := &UnfinishedError{}
	if _, _, err := Start(dir, StartOptions{Now: start, Plan: is}); !errors.As(err, &unfinished) || unfinished.Finished != 5 || unfinished.Jobs != 9 {
		t.Errorf("refused: %v", err)
	}
	if _, resumed := begin(t, dir, Resume, was); !strings.HasPrefix(names(resumed.Entries), "gone:built") {
		t.Errorf("once it is in the plan again, kept %q", names(resumed.Entries))
	}
}

// Jobs at which an earlier run made attempts in vain are told: those that failed, and
// those that it did not finish.
func TestBegunJobs(t *testing.T) {
	dir := t.TempDir()
	p := plan("built", "failed", "refused", "cut", "open")
	l, _ := begin(t, dir, Refuse, p)
	for i, e := range []Entry{built(p.Jobs[0]), built(p.Jobs[1]), built(p.Jobs[2])} {
		if i > 0 {
			e.Status, e.Error, e.AttemptCount = Failed, ptr("no"), 2-i // the last fails without an attempt
		}
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"built", "failed", "cut"} {
		log, err := l.CreateLog(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		log.Close()
	}
	l.Close()
	if _, resumed := begin(t, dir, Resume, p); !slices.Equal(resumed.Failed, []string{"failed"}) || !slices.Equal(resumed.CutShort, []string{"cut"}) {
		t.Errorf("failed %q, cut short %q", resumed.Failed, resumed.CutShort)
	}
}

// A job that is given one more tag keeps its image, which gets the tag.
func TestAddedTag(t *testing.T) {
	dir := t.TempDir()
	was := plan("a", "b")
	l, _ := begin(t, dir, Refuse, was)
	add(t, l, Built, "a", "b")
	finish(t, l, 2)
	is := plan("a", "b")
	for i := range is.Jobs {
		is.Jobs[i].Tags = append(is.Jobs[i].Tags, "r/second:"+is.Jobs[i].Name)
	}
	l, resumed, err := Start(dir, StartOptions{Now: start, Mode: Resume, Plan: is, Keep: func(kept []Kept) []Kept {
		for i := range kept {
			if k := &kept[i]; k.Entry.Name == "a" {
				k.Entry.Tags, k.Missing = append(k.Entry.Tags, k.Missing...), nil
			}
		}
		return kept
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := manifest(t, dir); got != "a:built" || names(resumed.Entries) != got {
		t.Errorf("kept %q, manifest %q", names(resumed.Entries), got)
	}
	if got := resumed.Entries[0].Tags; !slices.Equal(got, is.Jobs[0].Tags) {
		t.Errorf("tags %q", got)
	}
	want := []string{
		"1 job is to be built with other tags or another base image than before: b",
		"1 job is finished, and given the tags that are new: a",
	}
	if !slices.Equal(resumed.Notes, want) {
		t.Errorf("notes:\n%s", strings.Join(resumed.Notes, "\n"))
	}
}

// Jobs that have changed their names keep their images, also when a crash comes
// between the manifest and run.json.
func TestRenamedJobs(t *testing.T) {
	was := plan("one", "one-2", "one-3")
	is := plan("one", "one-2", "one-3")
	is.Jobs[0], is.Jobs[1] = was.Jobs[1], was.Jobs[0]
	is.Jobs[0].Name, is.Jobs[1].Name = "one", "one-2"

	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, was)
	add(t, l, Built, "one", "one-2", "one-3")
	l.Close()
	run, err := os.ReadFile(filepath.Join(dir, RunFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, crashed := range []bool{false, true} {
		if crashed {
			if err := os.WriteFile(filepath.Join(dir, RunFile), run, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l, resumed := begin(t, dir, Resume, is)
		l.Close()
		bases := map[string]string{}
		for _, e := range resumed.Entries {
			bases[e.Name] = e.BaseImage
		}
		if len(bases) != 3 || bases["one"] != "r/one-2:1" || bases["one-2"] != "r/one:1" {
			t.Errorf("crashed %t: %v", crashed, bases)
		}
		if note := "2 jobs are finished under another name: one-2 (was one), one (was one-2)"; !crashed && !slices.Contains(resumed.Notes, note) {
			t.Errorf("notes %q", resumed.Notes)
		}
	}
}

// What an earlier version wrote of a plan is understood.
func TestEarlierRunRecord(t *testing.T) {
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a"))
	add(t, l, Built, "a")
	l.Close()
	old := `{"stoker_version":"v0","started_at":null,"finished":false,"finished_at":null,"job_count":1,
		"plan":{"digest":"0123","jobs":[{"name":"a","base_image":"r/a:1","tags":["r/out:a"]}]}}`
	for _, digest := range []string{"0123", "4567"} {
		if err := os.WriteFile(filepath.Join(dir, RunFile), []byte(old), 0o644); err != nil {
			t.Fatal(err)
		}
		p := plan("a")
		p.Jobs[0].Digest = digest
		l, resumed := begin(t, dir, Resume, p)
		l.Close()
		if names(resumed.Entries) != "a:built" || (len(resumed.Notes) > 0) != (digest != "0123") {
			t.Errorf("digest %s: resumed %q with notes %q", digest, names(resumed.Entries), resumed.Notes)
		}
	}
}

func TestNotesNameAFewJobs(t *testing.T) {
	var jobs []string
	for i := range 20 {
		jobs = append(jobs, fmt.Sprint("job-", i))
	}
	notes := compare(nil, plan(jobs...).Jobs, nil).notes()
	if len(notes) != 1 || !strings.HasSuffix(notes[0], "job-7 and 12 more") {
		t.Errorf("notes %q", notes)
	}
}
