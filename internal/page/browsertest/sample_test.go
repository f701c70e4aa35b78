package browsertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/page"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/timeline"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// sample is a run of made-up jobs.
type sample struct {
	Jobs, Workers int
	Nodes         []string
	// FailEach so many jobs one fails; 0 for none.
	FailEach int
	// Long gives jobs and steps names that are long.
	Long bool
	// Stopped leaves the last tenth of the jobs.
	Stopped bool
	// Shard is which part of an input it is; nil for all.
	Shard *ledger.Shard
}

func (s sample) name(i int) string {
	if s.Long {
		return fmt.Sprintf("a-project-with-a-long-name__a-project-with-a-long-name-and-then-some-more-of-it-%d.%s", i, strings.Repeat("x", 60))
	}
	return fmt.Sprintf("project__project-%d", i)
}

// run tells of the run, and makes its record.
func (s sample) run(dir string) (ledger.Record, page.Run) {
	events := &timeline.Run{}
	at := began
	tell := func(e journal.Event) { events.Apply(at, e) }
	record := ledger.Record{Dir: dir, Run: ledger.RunRecord{JobCount: s.Jobs, StartedAt: ledger.Time{Time: began}, ResumeCommand: "stoker build --resume --images bases.txt ./agent", Plan: ledger.PlanID{Shard: s.Shard}}}
	for i := range s.Jobs {
		record.Run.Plan.Jobs = append(record.Run.Plan.Jobs, ledger.PlanJob{Name: s.name(i), Tags: []string{"r.example/out:" + s.name(i)}})
	}
	tell(journal.RunStarted{Jobs: s.Jobs, Workers: s.Workers, Nodes: s.Nodes})
	n := s.Jobs
	if s.Stopped {
		n -= s.Jobs / 10
	}
	for i := 0; i < n; i += s.Workers {
		at = at.Add(time.Second / 5)
		from := at
		for k := i; k < min(n, i+s.Workers); k++ {
			tell(journal.JobStarted{Job: s.name(k), Node: s.Nodes[k%len(s.Nodes)]})
		}
		for k := i; k < min(n, i+s.Workers); k++ {
			at = at.Add(time.Duration(k%7+1) * time.Second)
			e := s.entry(k, from, at)
			record.Entries = append(record.Entries, e)
			tell(journal.JobFinished{Entry: e})
		}
		for _, node := range s.Nodes {
			used := int64(2e9 + i%40*5e7)
			tell(journal.Sampled{Node: node, Bound: "the disk", UsedBytes: used, HighBytes: 4.5e9, ReservedBytes: 3e8,
				Cache: &journal.Parts{Live: used / 2, Dead: used / 4, Foreign: 2e8}})
			if i%40 == 0 {
				tell(journal.SweepStarted{Node: node})
				tell(journal.SweepFinished{Node: node, ReclaimedBytes: 5e8})
			}
		}
	}
	summary := ledger.Summarize(record.Entries, s.Jobs, began, at)
	tell(journal.RunFinished{Summary: summary})
	record.Summary = &summary
	return record, page.Run{Dir: dir, Run: events}
}

func (s sample) entry(i int, from, at time.Time) ledger.Entry {
	e := ledger.Entry{
		Name: s.name(i), Tags: []string{"r.example/out:" + s.name(i)}, Node: s.Nodes[i%len(s.Nodes)], Status: ledger.Built, Digest: fmt.Sprintf("sha256:%064x", i+1<<40), AttemptCount: 1,
		Time: ledger.Time{Time: at}, StartedAt: ledger.Time{Time: from}, FinishedAt: ledger.Time{Time: at}, DurationSeconds: at.Sub(from).Seconds(),
		Phases: &ledger.Phases{Pull: 0.2, Steps: 0.5 + float64(i%7), Compress: 0.2, Push: 0.1}, Pushed: new(true),
	}
	if s.FailEach > 0 && i%s.FailEach == s.FailEach-1 {
		e.Status, e.Digest, e.Pushed = ledger.Failed, "", nil
		e.Failure = &ledger.Failure{Class: "permanent", Step: "RUN pip install -r requirements.txt", Message: "process \"/bin/sh -c pip install -r requirements.txt\" did not complete successfully: exit code: 1",
			File: "Dockerfile", Line: 3, ExitCode: 1, Output: []string{"Collecting numpy==99", "ERROR: No matching distribution found for numpy==99"}}
	}
	return e
}

// data is what the page of some runs is made of.
func data(runs ...sample) page.Data {
	var records []ledger.Record
	d := page.Data{Made: began}
	for i, s := range runs {
		record, run := s.run(fmt.Sprintf("stoker-out/shard-%d", i+1))
		records, d.Runs = append(records, record), append(d.Runs, run)
	}
	d.Report = report.Merge(report.OnRecord(records))
	jobs := runs[0].Jobs
	text := "RUN pip install -r requirements.txt"
	if runs[0].Long {
		text += strings.Repeat(" && echo something-that-is-long", 12)
	}
	d.Lines = []explain.Line{{File: "Dockerfile", Line: 3, Text: text, Ran: jobs, Seconds: float64(jobs) * 3}, {File: "Dockerfile", Line: 5, Text: "COPY agent /agent", Ran: 1, Cached: jobs, Seconds: .1}}
	d.Steps = []ledger.Step{
		{ID: "1", StepForm: &ledger.StepForm{Kind: ledger.StepBase, Text: "registry.example/bases/debian:13"}, Jobs: jobs, Bytes: new(int64(5e7))},
		{ID: "2", StepForm: &ledger.StepForm{Kind: ledger.StepRun, Text: text, File: "Dockerfile", Line: 3}, Jobs: jobs, Ran: 1, On: []string{"1"}},
	}
	return d
}

// file writes a page as a run leaves it, and returns its address and size.
func file(t *testing.T, d page.Data) (address string, size int) {
	t.Helper()
	var b bytes.Buffer
	if err := page.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), ledger.PageFile)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return "file://" + path, b.Len()
}

// samples are runs of all kinds.
var samples = map[string][]sample{
	"failures":      {{Jobs: 60, Workers: 6, Nodes: []string{"node"}, FailEach: 9, Stopped: true}},
	"nodes":         {{Jobs: 40, Workers: 6, Nodes: []string{"tcp://10.0.0.1:1234", "tcp://10.0.0.2:1234"}}},
	"shards":        {{Jobs: 20, Workers: 4, Nodes: []string{"node"}, Shard: &ledger.Shard{Number: 1, Of: 3, Jobs: 60, Input: "x"}}, {Jobs: 20, Workers: 4, Nodes: []string{"node"}, FailEach: 6, Shard: &ledger.Shard{Number: 2, Of: 3, Jobs: 60, Input: "x"}}},
	"long names":    {{Jobs: 12, Workers: 3, Nodes: []string{"docker-container://a-builder-with-a-long-name-on-a-machine"}, FailEach: 5, Long: true}},
	"nothing built": {{Jobs: 3, Workers: 1, Nodes: []string{"node"}, FailEach: 1}},
	"one job":       {{Jobs: 1, Workers: 1, Nodes: []string{"node"}}},
}
