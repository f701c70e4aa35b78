package report

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/ledger"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func at(minutes int) ledger.Time {
	return ledger.Time{Time: noon.Add(time.Duration(minutes) * time.Minute)}
}

func tagsOf(name string) []string { return []string{"r.example/out:" + name} }

// entry is a job that ended at a minute.
func entry(name string, status ledger.Status, minute int) ledger.Entry {
	e := ledger.Entry{Time: at(minute), Name: name, Tags: tagsOf(name), Status: status, AttemptCount: 1,
		StartedAt: at(minute - 1), FinishedAt: at(minute), DurationSeconds: 60, BuildSeconds: 50}
	if status == ledger.Failed {
		why := "Dockerfile:4: RUN make: exit code: 2"
		e.Error, e.LogPath = &why, new("logs/"+name+"/attempt-1.log")
		e.Failure = &ledger.Failure{Class: "step_failed", Step: "RUN make", File: "Dockerfile", Line: 4, ExitCode: 2, Message: "no <such> file", Output: []string{"make: \x1b[31mno\x1b[0m"}}
	}
	return e
}

// record is a run of planned jobs that began at a minute.
func record(dir string, minute int, planned []string, entries ...ledger.Entry) ledger.Record {
	r := ledger.Record{Dir: dir, Entries: entries, Run: ledger.RunRecord{StartedAt: at(minute), JobCount: len(planned)}}
	for _, name := range planned {
		r.Run.Plan.Jobs = append(r.Run.Plan.Jobs, ledger.PlanJob{Name: name, Tags: tagsOf(name)})
	}
	return r
}

// ended gives a record the summary of a run that ended at a minute.
func ended(r ledger.Record, minute int, reclaimed int64) ledger.Record {
	s := ledger.Summarize(r.Entries, r.Run.JobCount, r.Run.StartedAt.Time, at(minute).Time)
	s.Prune, s.ForecastPullBytes, s.PulledBytes = &ledger.Prune{ReclaimedBytes: reclaimed}, new(int64(1_000_000)), new(int64(2_000_000))
	r.Summary = &s
	return r
}

func shard(r ledger.Record, number, of, jobs int) ledger.Record {
	r.Run.Plan.Shard = &ledger.Shard{Number: number, Of: of, Jobs: jobs, Input: "abc"}
	return r
}

// Three of four shards, of which one was done again elsewhere.
func shards() Report {
	return Merge(OnRecord([]ledger.Record{
		shard(ended(record("out/1", 0, []string{"a", "b"}, entry("a", ledger.Built, 5), entry("b", ledger.Failed, 6)), 10, 7_000_000), 1, 4, 8),
		shard(ended(record("out/1-again", 20, []string{"a", "b"}, entry("b", ledger.Built, 25), entry("a", ledger.Skipped, 21)), 30, 0), 1, 4, 8),
		shard(ended(record("out/2", 0, []string{"c", "d"}, entry("c", ledger.Failed, 3), entry("d", "someday", 4)), 5, 2_000_000), 2, 4, 8),
		shard(record("out/4", 1, []string{"g", "h"}, entry("g", ledger.Built, 9)), 4, 4, 8),
	}))
}

func TestMerge(t *testing.T) {
	r := shards()
	if r.Total != 6 || r.Built != 3 || r.Skipped != 0 || r.Failed != 1 || r.Unfinished != 1 || len(r.Other) != 1 || r.Other[0].Jobs[0] != "d" {
		t.Errorf("%d jobs: %d built, %d skipped, %d failed, %d unfinished, others %v", r.Total, r.Built, r.Skipped, r.Failed, r.Unfinished, r.Other)
	}
	if fmt.Sprint(r.Repeated) != "[a b]" || len(r.Open) != 1 || r.Open[0].Name != "h" || r.AllBuilt() {
		t.Errorf("repeated %v, open %v", r.Repeated, r.Open)
	}
	if r.WallClockSeconds != 30*60 || r.RunSeconds != (10+10+5+8)*60 || r.CumulativeSeconds != 4*60 {
		t.Errorf("%g s from start to end, %g s of runs, %g s of jobs", r.WallClockSeconds, r.RunSeconds, r.CumulativeSeconds)
	}
	if *r.ReclaimedBytes != 9_000_000 || !r.Partial || *r.PullBytes != 3_000_000 {
		t.Errorf("reclaimed %d (partial %t), pulled %d", *r.ReclaimedBytes, r.Partial, *r.PullBytes)
	}
	if len(r.Missing) != 1 || r.Missing[0].String() != "shard 3 of 4 is not among these runs: 2 of 8 jobs" {
		t.Errorf("missing: %v", r.Missing)
	}
	for _, j := range r.Jobs {
		if want := map[string]string{"a": "out/1", "b": "out/1-again", "c": "out/2", "d": "out/2", "g": "out/4"}[j.Name]; j.Run != want {
			t.Errorf("%s is of %s, want %s", j.Name, j.Run, want)
		}
	}
	if all := Merge(OnRecord([]ledger.Record{ended(record("x", 0, []string{"a"}, entry("a", ledger.Skipped, 1)), 2, 0)})); !all.AllBuilt() {
		t.Error("a job that was there counts as not built")
	}
}

// The speed is that of the time in which something was building: a run that was gone on with
// has that of its last part, as its own summary, and a pause counts for none.
func TestSpeed(t *testing.T) {
	resumed := record("out", 0, []string{"a", "b", "c"}, entry("a", ledger.Built, 5), entry("b", ledger.Built, 605), entry("c", ledger.Built, 606))
	resumed.Run.ResumedAt = []ledger.Time{at(600)}
	summary := ledger.Summarize(resumed.Entries, 3, at(600).Time, at(607).Time)
	resumed.Summary = &summary
	if r := Merge(OnRecord([]ledger.Record{resumed})); r.ImagesPerHour != 60 || summary.ImagesPerHour != 60 {
		t.Errorf("%g images per hour, and %g by its summary", r.ImagesPerHour, summary.ImagesPerHour)
	}
	shards := []ledger.Record{
		ended(record("one", 0, []string{"x", "y"}, entry("x", ledger.Built, 1), entry("y", ledger.Built, 2)), 2, 0),
		ended(record("two", 0, []string{"z"}, entry("z", ledger.Built, 2)), 2, 0), // beside the first
		resumed,
	}
	if r := Merge(OnRecord(shards)); r.ImagesPerHour != 75 {
		t.Errorf("5 images in 4 minutes are %g per hour", r.ImagesPerHour)
	}
}

// A run that has left no word is killed where no other machine can go on with it.
func TestWithoutAWord(t *testing.T) {
	for want, change := range map[string]func(*ledger.Record){
		Unknown: func(r *ledger.Record) { r.Here = false },
		Killed:  func(*ledger.Record) {},
		Stopped: func(r *ledger.Record) { r.DiskFull = true },
		Running: func(r *ledger.Record) { r.Writing = true },
	} {
		r := record("out", 0, []string{"a"})
		r.Here = true
		change(&r)
		if got := Merge(OnRecord([]ledger.Record{r})).Runs[0].State; got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
}

// A job that failed before its image's name was known is the one of its name that another run has.
func TestUntoldNames(t *testing.T) {
	named := func(dir, name, tag string, status ledger.Status, minute int) ledger.Record {
		r := record(dir, minute, []string{name}, entry(name, status, minute+1))
		r.Run.Plan.Jobs[0].Tags = []string{tag}
		return ended(r, minute+2, 0)
	}
	r := Merge(OnRecord([]ledger.Record{named("one", "a", "r/a:unknown-hash", ledger.Failed, 0), named("two", "a", "r/a:0123456789ab", ledger.Built, 10)}))
	if r.Total != 1 || r.Built != 1 || r.Failed != 0 || !r.AllBuilt() {
		t.Errorf("%d jobs: %s", r.Total, r.counts())
	}
	if r := Merge(OnRecord([]ledger.Record{named("one", "a", "r/a:unknown-hash", ledger.Failed, 0)})); r.Failed != 1 {
		t.Errorf("alone: %s", r.counts())
	}
}

// What was built on a failed job is told with it, beside the others.
func TestDependants(t *testing.T) {
	d := entry("d", ledger.SkippedDependency, 4)
	d.FailedDependency = "c"
	r := Merge(OnRecord([]ledger.Record{ended(record("out", 0, []string{"c", "d"}, entry("c", ledger.Failed, 3), d), 5, 0)}))
	if text := r.counts(); text != "0 built, 0 skipped, 1 failed, 1 skipped: built on c, which failed" || r.AllBuilt() {
		t.Errorf("counted as %q, all built: %t", text, r.AllBuilt())
	}
	if text, err := r.CSV(); err != nil || !strings.Contains(text, "\nd,skipped_dependency,,r.example/out:d,,,\"built on c, which failed\",") {
		t.Errorf("no reason in %v %s", err, text)
	}
	if data, err := r.JUnit(); err != nil || !strings.Contains(string(data), `message="skipped_dependency: built on c, which failed"`) {
		t.Errorf("no reason in %v %s", err, data)
	}
	if text := r.Runs[0].String(); text != "out: finished, 0 built, 0 skipped, 1 failed, 1 skipped (built on failed jobs) of 2 jobs in 5m00s" {
		t.Errorf("the run is %q", text)
	}
}

func TestLastEndCounts(t *testing.T) {
	with := func(e ledger.Entry, digest string) ledger.Entry { e.Digest = digest; return e }
	for _, tt := range []struct {
		name string
		ends []ledger.Entry
		want ledger.Status
	}{
		{"built after it had failed", []ledger.Entry{entry("a", ledger.Failed, 1), entry("a", ledger.Built, 2)}, ledger.Built},
		{"failed after it was built", []ledger.Entry{entry("a", ledger.Built, 1), entry("a", ledger.Failed, 2)}, ledger.Failed},
		{"there since it was built", []ledger.Entry{entry("a", ledger.Built, 1), entry("a", ledger.Skipped, 2)}, ledger.Built},
		{"another one is there", []ledger.Entry{with(entry("a", ledger.Built, 1), "x"), with(entry("a", ledger.Skipped, 2), "y")}, ledger.Skipped},
	} {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			r := Merge(OnRecord([]ledger.Record{record("x", 0, []string{"a"}, tt.ends[order[0]]), record("y", 0, []string{"a"}, tt.ends[order[1]])}))
			if len(r.Jobs) != 1 || r.Jobs[0].Status != tt.want {
				t.Errorf("%s: %+v, want %s", tt.name, r.Jobs, tt.want)
			}
		}
	}
}

// Jobs of one name in two phases are two jobs.
func TestPhases(t *testing.T) {
	base, final := entry("a", ledger.Built, 1), entry("a", ledger.Built, 2)
	final.Tags, final.Digest, final.Pushed = []string{"r.example/final:a"}, "sha256:1", new(true)
	two := record("finals", 2, nil, final)
	two.Run.Plan.Jobs = []ledger.PlanJob{{Name: "a", Tags: final.Tags}}
	r := Merge(OnRecord([]ledger.Record{record("bases", 0, []string{"a"}, base), two}))
	refs := r.Refs()
	if r.Built != 2 || len(r.Repeated) > 0 || len(refs) != 2 || refs["finals/a"].Image != "r.example/final@sha256:1" || refs["bases/a"].Image != "" {
		t.Errorf("%d built, references %+v", r.Built, refs)
	}
}

// Each planned job is told exactly once, however runs overlap.
func TestEachJobOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-f]`), rapid.ID[string])
		statuses := rapid.SampledFrom([]ledger.Status{ledger.Built, ledger.Skipped, ledger.Failed, "other", ""})
		var records []ledger.Record
		planned := map[string]bool{}
		for i := range rapid.IntRange(0, 5).Draw(rt, "runs") {
			all := names.Draw(rt, "jobs")
			var entries []ledger.Entry
			for _, name := range all {
				planned[name] = true
				if s := statuses.Draw(rt, "status"); s != "" {
					entries = append(entries, entry(name, s, rapid.IntRange(0, 3).Draw(rt, "minute")))
				}
			}
			records = append(records, record(fmt.Sprint("run", i), 0, all, entries...))
		}
		r := Merge(OnRecord(records))
		others := 0
		for _, g := range r.Other {
			others += len(g.Jobs)
		}
		if sum := r.Built + r.Skipped + r.Failed + r.Unfinished + others; r.Total != len(planned) || sum != r.Total || len(r.Jobs)+len(r.Open) != r.Total {
			rt.Fatalf("%d jobs planned: total %d, sum %d, %d told", len(planned), r.Total, sum, len(r.Jobs)+len(r.Open))
		}
	})
}

func TestText(t *testing.T) {
	want := `6 of 8 jobs: 3 built, 0 skipped, 1 failed, 1 someday, 1 unfinished
  30m00s from the first start to the last end, 33m00s in 4 runs, 4m00s in all jobs, 36 images/h
  to pull by the forecasts: 3MB; pulled: 6MB; reclaimed: at least 9MB
! shard 3 of 4 is not among these runs: 2 of 8 jobs
! 2 jobs in several runs, and counted once, by the last end: a, b
! out/4 has left no word of its end: what it did is told as far as it is on record
runs
  out/1 (shard 1/4): finished, 1 built, 0 skipped, 1 failed of 2 jobs in 10m00s
  out/1-again (shard 1/4): finished, 1 built, 1 skipped, 0 failed of 2 jobs in 10m00s
  out/2 (shard 2/4): finished, 0 built, 0 skipped, 1 failed, 1 other of 2 jobs in 5m00s
  out/4 (shard 4/4): unknown, 1 built, 0 skipped, 0 failed, 1 unfinished of 2 jobs in 8m00s
failed
  1 job: Dockerfile:4: no <such> file
    c
    logs/c/attempt-1.log
someday
  1 job: d
unfinished
  1 job: h
slowest
     1m00s  a (out/1)
     1m00s  b (out/1-again)
     1m00s  g (out/4)
`
	if got := shards().Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Where the time went is told in all jobs, as at the end of a run.
func TestTextOfPhases(t *testing.T) {
	r := shards()
	r.Phases = &ledger.Phases{Steps: 3, Push: 1}
	if got := r.Text(); !strings.Contains(got, "36 images/h\n  of the jobs' time: 75% steps, 25% pushing\n") {
		t.Errorf("%s", got)
	}
}

// What the formats for programs say is the same, and none of it can break out.
func TestFormats(t *testing.T) {
	r := shards()
	r.Jobs[0].Name = "a,\"b\"\n<c>|`d`"
	r.Jobs[0].Phases = &ledger.Phases{Push: 1.5, PostBuild: 2}
	text, err := r.CSV()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(lines) != 7 || lines[1][0] != r.Jobs[0].Name || lines[6][1] != "unfinished" || lines[6][0] != "h" ||
		strings.Join(lines[0][15:], " ") != "wait_seconds check_seconds setup_seconds resolve_seconds context_seconds pull_seconds steps_seconds cache_seconds compress_seconds push_seconds solve_seconds record_seconds post_build_seconds" ||
		strings.Join(lines[1][15:], " ") != "0 0 0 0 0 0 0 0 0 1.5 0 0 2" || strings.TrimSpace(strings.Join(lines[2][15:], " ")) != "" {
		t.Errorf("CSV %q, %v", lines, err)
	}

	data, err := r.JUnit()
	if err != nil {
		t.Fatal(err)
	}
	var suites junitSuites
	if err := xml.Unmarshal(data, &suites); err != nil {
		t.Fatal(err)
	}
	skipped := 0
	for _, suite := range suites.Suites {
		skipped += suite.Skipped
	}
	if suites.Tests != 7 || suites.Failures != 1 || suites.Errors != 2 || skipped != 1 || len(suites.Suites) != 5 {
		t.Errorf("%d skipped in %+v", skipped, suites)
	}
	failed := suites.Suites[2].Cases[0]
	if failed.Name != "c" || failed.Failure == nil || failed.Failure.Type != "step_failed" || !strings.Contains(failed.Failure.Text, "logs/c/attempt-1.log") || failed.Time != "60.000" {
		t.Errorf("%+v", failed)
	}
	if strings.Contains(string(data), "\x1b") {
		t.Error("a terminal sequence is in the XML")
	}

	data, err = json.Marshal(r)
	var back struct {
		Built     int
		Seconds   float64 `json:"wall_clock_seconds"`
		Reclaimed int64   `json:"reclaimed_bytes"`
		Jobs      []struct {
			Name, Status, Run string
			Seconds           float64 `json:"duration_seconds"`
		}
	}
	if err != nil || json.Unmarshal(data, &back) != nil || back.Built != 3 || back.Seconds != 1800 || back.Reclaimed != 9_000_000 ||
		len(back.Jobs) != 5 || back.Jobs[0].Run != "out/1" || back.Jobs[0].Status != "built" || back.Jobs[0].Seconds != 60 {
		t.Errorf("%+v, %v", back, err)
	}

	md := r.Markdown("")
	for _, want := range []string{"## Stoker: 3 of 8 images, 1 failed", "| out/2 | 2/4 | finished | 2 | 0 | 0 | 1 | 0 | 1 | 0 | 5m00s |",
		"- shard 3 of 4 is not among these runs", "### someday\n\n1 job: d"} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
}

// No more than five names stand for a group, and unknown is never 0.
func TestManyFail(t *testing.T) {
	var names []string
	var entries []ledger.Entry
	for i := range 7 {
		names = append(names, fmt.Sprint("job", i))
		entries = append(entries, entry(names[i], ledger.Failed, i))
	}
	running := record("out", 0, names, entries...)
	running.Writing = true
	text := Merge(OnRecord([]ledger.Record{running})).Text()
	for _, want := range []string{"7 jobs: Dockerfile:4: no <such> file\n    job0, job1, job2, job3, job4, and 2 more\n",
		"to pull by the forecasts: unknown; pulled: unknown; reclaimed: unknown", "! out is running"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
