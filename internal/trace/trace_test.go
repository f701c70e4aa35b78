package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is a time some milliseconds after the beginning.
func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

type happened struct {
	ms int
	e  journal.Event
}

// read is a file as a viewer has it.
type read struct {
	TraceEvents []event           `json:"traceEvents"`
	OtherData   map[string]string `json:"otherData"`
}

func parse(t *testing.T, data []byte) (r read) {
	t.Helper()
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatalf("it cannot be read back: %s\n%s", err, data)
	}
	return r
}

// written is the file of a run.
func written(t *testing.T, most int64, all ...happened) read {
	t.Helper()
	var out bytes.Buffer
	w := New(&out)
	w.most = most
	for _, h := range all {
		w.Apply(at(h.ms), h.e)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := parse(t, out.Bytes())
	checkThreads(t, r)
	return r
}

// checkThreads makes sure that on each thread times ascend and what is within another
// ends with it at the latest, and that each thread has a name.
func checkThreads(t *testing.T, r read) {
	t.Helper()
	named, open := map[thread]bool{}, map[thread][]event{}
	last := map[thread]int64{}
	for _, e := range r.TraceEvents {
		switch e.Ph {
		case metadata:
			named[e.thread] = true
		case whole:
			if !named[e.thread] || !named[thread{PID: e.PID}] {
				t.Errorf("%s is on a thread without a name", e.Name)
			}
			if e.TS < last[e.thread] {
				t.Errorf("%s begins before what stands before it on its thread", e.Name)
			}
			last[e.thread] = e.TS
			around := slices.DeleteFunc(open[e.thread], func(o event) bool { return o.TS+*o.Dur <= e.TS && *o.Dur+*e.Dur > 0 && o.TS+*o.Dur < e.TS+*e.Dur })
			for _, o := range around {
				if o.TS+*o.Dur < e.TS+*e.Dur {
					t.Errorf("%s ends after %s, within which it begins", e.Name, o.Name)
				}
			}
			open[e.thread] = append(around, e)
		}
	}
}

// of are the events of a category, each as "name from-to".
func (r read) of(cat string) (all []string) {
	for _, e := range r.TraceEvents {
		if e.Cat != cat {
			continue
		}
		from := e.TS - began.UnixMicro()
		switch e.Ph {
		case whole:
			all = append(all, fmt.Sprintf("%s %d-%d", e.Name, from/1000, (from+*e.Dur)/1000))
		default:
			all = append(all, fmt.Sprintf("%s %s %d", e.Ph, e.Name, from/1000))
		}
	}
	return all
}

func (r read) find(t *testing.T, cat, name string) event {
	t.Helper()
	for _, e := range r.TraceEvents {
		if e.Cat == cat && e.Name == name {
			return e
		}
	}
	t.Fatalf("there is no %s %s", cat, name)
	return event{}
}

func entry(name string, s ledger.Status) journal.Event {
	e := ledger.Entry{Name: name, Status: s, BaseImage: "base"}
	if s == ledger.Failed {
		e.Failure = &ledger.Failure{Class: "permanent", Message: "no such\nfile"}
	}
	return journal.JobFinished{Entry: e}
}

var aRun = []happened{
	{0, journal.RunStarted{Jobs: 4, Workers: 2, Nodes: []string{"n"}}},
	{10, journal.JobStarted{Job: "a", Node: "n", Base: "base"}},
	{10, journal.AttemptStarted{Job: "a", Attempt: 1}},
	{15, journal.StepStarted{Job: "a", Step: "FROM"}},
	{20, journal.JobStarted{Job: "b", Node: "n"}},
	{20, journal.AttemptStarted{Job: "b", Attempt: 1}},
	{25, journal.StepStarted{Job: "a", Step: "RUN \x1b[31mmake"}},
	{30, journal.AttemptFailed{Job: "a", Attempt: 1, Class: "transient", Error: "lost", Retry: true}},
	{35, journal.Sampled{Node: "n", Bound: "the disk", UsedBytes: 5, HighBytes: 9, Cache: &journal.Parts{Live: 1, Dead: 2, Foreign: 3, LeftOver: 4}, Running: 2}},
	{36, journal.Sampled{Node: "n", Bound: "the disk", Unknown: true}},
	{40, journal.AttemptStarted{Job: "a", Attempt: 2}},
	{45, journal.WaitingForSpace{Job: "c", Node: "n", Bound: "the disk"}},
	{50, journal.StepStarted{Job: "a", Step: "RUN make"}},
	{55, journal.SweepStarted{Node: "n", Pressure: true}},
	{58, journal.PullFinished{Job: "p", Node: "n", Images: []string{"i"}, Duration: 0.02}},
	{60, entry("a", ledger.Built)},
	{65, journal.SweepFinished{Node: "n", ReclaimedBytes: 7, ReclaimedRecords: 2}},
	{70, journal.JobStarted{Job: "c", Node: "n"}},
	{75, entry("skipped", ledger.Skipped)},
	{80, entry("b", ledger.Failed)},
	{90, journal.JobWaiting{Job: "c"}},
	{92, journal.JobStarted{Job: "c"}}, // by several nodes
	{95, journal.AttemptStarted{Job: "c", Attempt: 1}},
}

func TestARun(t *testing.T) {
	end := happened{100, journal.RunFinished{Summary: ledger.Summary{Built: 1, Failed: 1, Skipped: 1, Unfinished: 1}}}
	r := written(t, detailBytes, append(slices.Clone(aRun), end)...)
	for cat, want := range map[string][]string{
		"run":            {"run 0-100"},
		"job":            {"a 10-30", "a 40-60", "i skipped 75", "b 20-80", "c 70-90", "c 92-100"},
		"attempt":        {"attempt 1 10-30", "attempt 2 40-60", "attempt 1 20-80", "attempt 1 95-100"},
		"step":           {"FROM 15-25", "RUN make 25-30", "RUN make 50-60"},
		"sweep":          {"sweep for space 55-65"},
		"wait for space": {"b c 45", "e c 70"},
		"pull ahead":     {"b p 38", "e p 58"},
	} {
		if got := r.of(cat); !slices.Equal(got, want) {
			t.Errorf("of %s it has\n%q\nwant\n%q", cat, got, want)
		}
	}
	a, b, c := r.find(t, "job", "a"), r.find(t, "job", "b"), r.find(t, "job", "c")
	if a.PID != b.PID || a.TID == b.TID || a.TID != c.TID {
		t.Errorf("a, b and c are on %v, %v and %v: c takes the worker of a", a.thread, b.thread, c.thread)
	}
	if a.Args["status"] != "to be tried again" || b.Args["class"] != "permanent" || b.Args["reason"] != "no such file" || c.Args["status"] != "back to the queue" {
		t.Errorf("they say %v, %v and %v", a.Args, b.Args, c.Args)
	}
	if failed := r.find(t, "attempt", "attempt 1"); failed.Args["error"] != "lost" {
		t.Errorf("the failed attempt says %v", failed.Args)
	}
	if s := r.find(t, "sweep", "sweep for space"); s.Args["reclaimed_bytes"] != 7.0 {
		t.Errorf("the sweep says %v", s.Args)
	}
	if len(r.OtherData["left_out"]) > 0 || !strings.Contains(r.OtherData["steps"], "side by side") {
		t.Errorf("it notes %q", r.OtherData)
	}
}

func TestCounters(t *testing.T) {
	var got []string
	for _, e := range written(t, detailBytes, aRun...).TraceEvents {
		if e.Ph == counter {
			got = append(got, fmt.Sprintf("%s %v", e.Name, e.Args))
		}
	}
	want := []string{
		"disk (bytes) map[promised:0 used:5]", "disk limit (bytes) map[limit:9]",
		"cache (bytes) map[dead:2 foreign:3 left over:4 live:1]", "jobs map[running:2]",
		"jobs map[running:0]", // nothing else was known
	}
	if !slices.Equal(got, want) {
		t.Errorf("counters\n%q\nwant\n%q", got, want)
	}
}

// A run that was killed, and gone on with: what went on ends with it.
func TestAResumedRun(t *testing.T) {
	all := append(slices.Clone(aRun[:5]), happened{50, journal.RunStarted{Jobs: 4, Nodes: []string{"n"}}},
		happened{60, journal.JobStarted{Job: "a", Node: "n"}}, happened{70, entry("a", ledger.Built)})
	r := written(t, detailBytes, all...)
	if got, want := r.of("job"), []string{"a 10-20", "b 20-20", "a 60-70"}; !slices.Equal(got, want) {
		t.Errorf("jobs %q, want %q", got, want)
	}
	if got := r.find(t, "job", "a").Args["status"]; got != "unfinished" {
		t.Errorf("what was killed is %q", got)
	}
	if got, want := r.of("run"), []string{"run 0-20", "run 50-70"}; !slices.Equal(got, want) {
		t.Errorf("runs %q, want %q", got, want)
	}
}

// A job ends when its record says, though that is told later.
func TestWhenAJobEnds(t *testing.T) {
	ended := journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Failed, FinishedAt: ledger.Time{Time: at(50)},
		Failure: &ledger.Failure{Step: "RUN make", ExitCode: 2, Message: "3"}}}
	r := written(t, detailBytes, append(slices.Clone(aRun[:5]), happened{80, ended})...)
	if got, want := r.of("job"), []string{"a 10-50", "b 20-80"}; !slices.Equal(got, want) {
		t.Errorf("jobs %q, want %q", got, want)
	}
	if got := r.find(t, "job", "a").Args["reason"]; got != "RUN make: exit code: 2: 3" {
		t.Errorf("it failed for %q", got)
	}
}

// Above a size, jobs and attempts are told, and that steps are not.
func TestTooLarge(t *testing.T) {
	r := written(t, 1, aRun...)
	if len(r.of("step")) > 0 || len(r.of("job")) != 6 || len(r.of("attempt")) != 4 {
		t.Errorf("it has %v", r.TraceEvents)
	}
	if !strings.Contains(r.OtherData["left_out"], "are left out") {
		t.Errorf("it notes %q", r.OtherData)
	}
}

// A job that rests before its next attempt leaves its worker to another one, and is on that which
// is free then.
func TestAJobThatRests(t *testing.T) {
	all := slices.Insert(slices.Clone(aRun), 8,
		happened{32, journal.JobStarted{Job: "d", Node: "n"}}, happened{34, entry("b", ledger.Built)})
	r := written(t, detailBytes, all...)
	var on []int
	for _, e := range r.TraceEvents {
		if e.Cat == "job" && e.Name == "a" {
			on = append(on, e.TID)
			if e.Args["base_image"] != "base" {
				t.Errorf("a says %v", e.Args)
			}
		}
	}
	if b := r.find(t, "job", "b"); len(on) != 2 || on[0] == b.TID || on[1] != b.TID {
		t.Errorf("a is on %v, b on %v", on, b.TID)
	}
	for _, e := range r.TraceEvents {
		if e.TID > firstWorker+1 {
			t.Errorf("there is a third worker: %v", e)
		}
	}
}

// Nodes of several runs, which may have one name, are apart.
func TestSeveralRuns(t *testing.T) {
	var out bytes.Buffer
	w := New(&out)
	for _, run := range []string{"shard-1", "shard-2"} {
		w.Run(run)
		for _, h := range aRun {
			w.Apply(at(h.ms), h.e)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := parse(t, out.Bytes())
	checkThreads(t, r)
	processes := map[any]int{}
	for _, e := range r.TraceEvents {
		if e.Name == "process_name" {
			processes[e.Args["name"]] = e.PID
		}
	}
	if len(processes) != 6 || processes["shard-1: node n"] == processes["shard-2: node n"] {
		t.Errorf("the processes are %v", processes)
	}
}

// A run of 50,000 jobs stays small enough for viewers: what its jobs take beside steps, and
// steps that there is room for.
func TestMany(t *testing.T) {
	const few, many = 500, 50_000
	var size counting
	w := New(&size)
	w.most = 1
	w.Apply(began, journal.RunStarted{Nodes: []string{"n"}})
	for i := range few {
		job := fmt.Sprint("some__project-", i)
		w.Apply(at(i), journal.JobStarted{Job: job, Node: "n"})
		w.Apply(at(i), journal.AttemptStarted{Job: job, Attempt: 1, Log: "stoker-out/logs/" + job + "/attempt-1.log"})
		w.Apply(at(i), journal.JobFinished{Entry: ledger.Entry{Name: job, Status: ledger.Built, BaseImage: strings.Repeat("base", 20), Node: "n", Phases: &ledger.Phases{Setup: 1.234, Pull: 12.345}}})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if all := int(size)/few*many + detailBytes; all > 100_000_000 {
		t.Errorf("it would have %d bytes", all)
	}
}

// Long texts are cut.
func TestText(t *testing.T) {
	for _, name := range []string{strings.Repeat("a", 10_000), strings.Repeat("ü", 10_000), strings.Repeat("\x1b[31m", 10_000)} {
		if got := text(name); len(got) > 4*(mostRunes+1) {
			t.Errorf("%.20q has %d bytes", name, len(got))
		}
	}
}

type counting int

func (c *counting) Write(data []byte) (int, error) {
	*c += counting(len(data))
	return len(data), nil
}
