package page

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/explain"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/timeline"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// runOfJobs is a run of many jobs on four workers of one node, every tenth of which fails.
func runOfJobs(n int) Data {
	events := &timeline.Run{}
	at := began
	tell := func(e journal.Event) { events.Apply(at, e) }
	tell(journal.RunStarted{Jobs: n, Workers: 4, Nodes: []string{"node"}})
	tell(journal.Forecast{Node: "node", Bound: "the disk", Jobs: n, PeakBytes: 7e9, PullBytes: 2e9, SharedBytes: 7e8, Curve: []int64{1e9, 7e9}})
	var entries []ledger.Entry
	for i := range n {
		name := fmt.Sprintf("project__project-%d", i)
		tell(journal.JobStarted{Job: name, Node: "node"})
		from := at
		at = at.Add(time.Second)
		e := ledger.Entry{
			Name: name, Node: "node", Status: ledger.Built, Digest: fmt.Sprintf("sha256:%064d", i), AttemptCount: 1,
			Time: ledger.Time{Time: at}, StartedAt: ledger.Time{Time: from}, FinishedAt: ledger.Time{Time: at}, DurationSeconds: 1,
			Phases: &ledger.Phases{Pull: 0.2, Steps: 0.5, Compress: 0.2, Push: 0.1},
		}
		if i%10 == 9 {
			e.Status = ledger.Failed
			e.Failure = &ledger.Failure{Class: "permanent", Message: "<script>alert(1)</script>\x1b[31m", File: "Dockerfile", Line: 3, Output: []string{"make: *** </pre> error"}}
		}
		tell(journal.JobFinished{Entry: e})
		tell(journal.Sampled{Node: "node", Bound: "the disk", UsedBytes: int64(i) * 1e6, HighBytes: 1e10, Cache: &journal.Parts{Live: int64(i) * 1e5, Dead: 1e6}})
		entries = append(entries, e)
	}
	run := ledger.RunRecord{JobCount: n, StartedAt: ledger.Time{Time: began}}
	s := ledger.Summarize(entries, n, began, at)
	s.Prune, s.PulledBytes = &ledger.Prune{ReclaimedBytes: 5e8}, new(int64(19e8))
	tell(journal.RunFinished{Summary: s})
	record := ledger.Record{Dir: "out", Run: run, Entries: entries, Summary: &s}
	return Data{
		Report: report.Merge(report.OnRecord([]ledger.Record{record})), Runs: []Run{{"out", events}}, Made: at,
		Lines: []explain.Line{{File: "Dockerfile", Line: 3, Text: "RUN make", Ran: 3, Seconds: 4}},
		Steps: []ledger.Step{
			{ID: "1", StepForm: &ledger.StepForm{Kind: ledger.StepBase, Text: "debian:13"}, Jobs: 9},
			{ID: "2", StepForm: &ledger.StepForm{Kind: ledger.StepRun, Text: "RUN apt-get update"}, Jobs: 9, Ran: 1, Cached: 3, Bytes: new(int64(1e7)), On: []string{"1"}},
			{ID: "3", StepForm: &ledger.StepForm{Kind: ledger.StepRun, Text: "RUN only one"}, Jobs: 1, Ran: 1, On: []string{"2"}},
		},
	}
}

func written(t *testing.T, d Data) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was in the cache already is nothing where no job found a step there, and unknown where it
// is not known how large that is.
func TestStepsFoundInTheCache(t *testing.T) {
	step := func(cached int, bytes *int64) ledger.Step {
		return ledger.Step{StepForm: &ledger.StepForm{Kind: ledger.StepRun}, Cached: cached, Bytes: bytes}
	}
	for _, tt := range []struct {
		steps []ledger.Step
		want  string
	}{
		{nil, unknown},
		{[]ledger.Step{step(0, nil)}, "0B"},
		{[]ledger.Step{step(0, new(int64(5)))}, "0B"},
		{[]ledger.Step{step(0, new(int64(5))), step(2, nil)}, unknown},
		{[]ledger.Step{step(0, nil), step(2, new(int64(5)))}, "10B"},
	} {
		if got := found(tt.steps).Value; got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.steps, got, tt.want)
		}
	}
}

func TestPage(t *testing.T) {
	page := written(t, runOfJobs(30))
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	text := textOf(doc)
	for _, want := range []string{
		"27 of 30 images are there", "The last lines of its output", "<script>alert(1)</script>", "make: *** </pre> error", "debian:13", "9 jobs, ran 1 ×", "RUN make", "project__project-29",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for id, want := range map[string]string{
		"reclaimed": "500MB", "to pull": "2GB", "pulled": "1.9GB", "not pulled again": "700MB", "pushed": unknown, "not made again": "30MB",
	} {
		if got := amounts(doc)[id]; got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	for _, no := range []string{"\x1b", "RUN only one", "%!", ">NaN", "ZgotmplZ"} {
		if strings.Contains(page, no) {
			t.Errorf("the page has %q", no)
		}
	}
	if n := len(elements(doc, "script")); n != 1 {
		t.Errorf("there are %d scripts", n)
	}
	// Nothing is fetched from elsewhere.
	for _, kind := range []string{"link", "script", "img", "iframe"} {
		for _, e := range elements(doc, kind) {
			for _, a := range e.Attr {
				if (a.Key == "src" || a.Key == "href") && !strings.HasPrefix(a.Val, "data:") {
					t.Errorf("<%s %s=%q>", kind, a.Key, a.Val)
				}
			}
		}
	}
}

// amounts are what the page says of bytes, by their names.
func amounts(doc *html.Node) map[string]string {
	all := map[string]string{}
	for _, section := range elements(doc, "section") {
		names, values := elements(section, "dt"), elements(section, "dd")
		if slices.ContainsFunc(section.Attr, func(a html.Attribute) bool { return a.Val == "bytes" }) {
			for i, name := range names {
				all[textOf(name)] = textOf(values[2*i]) // a note follows each
			}
		}
	}
	return all
}

// The forecast lies behind the curve of the disk. Of runs that told of the most alone, it is a line.
func TestForecast(t *testing.T) {
	d := runOfJobs(10)
	page := written(t, d)
	if !strings.Contains(page, "stroke:var(--forecast)") || !strings.Contains(page, "7GB at most") {
		t.Error("the forecast is not drawn")
	}
	run := d.Runs[0]
	run.Forecasts = nil
	if page := written(t, d); strings.Contains(page, "stroke:var(--forecast)") {
		t.Error("a forecast is drawn that nobody made")
	}
	run.Summary.Space = &ledger.Space{Bound: "the disk", ForecastPeakBytes: 7e9}
	if page := written(t, d); !strings.Contains(page, "stroke:var(--forecast)") || !strings.Contains(page, "forecast of the most") {
		t.Error("the forecast of the most is not drawn")
	}
}

// Shares and the slowest are as the summary and its text have them: what BuildKit does between
// steps is none of theirs, and a job that failed is not among the slowest.
func TestWhereTheTimeWent(t *testing.T) {
	d := Data{Report: report.Merge(report.OnRecord([]ledger.Record{{Dir: "out", Run: ledger.RunRecord{JobCount: 2}, Entries: []ledger.Entry{
		{Name: "a", Status: ledger.Built, DurationSeconds: 10, Phases: &ledger.Phases{Steps: 8, Solve: 2}},
		{Name: "b", Status: ledger.Failed, DurationSeconds: 90},
	}}}))}
	for _, s := range (view{d}).Phases() {
		if want := map[string]float64{"steps": 80, "everything else": 20}[s.Name]; s.Percent != want {
			t.Errorf("%s: %g %%, want %g", s.Name, s.Percent, want)
		}
	}
	if all := (view{d}).Slowest(); len(all) != 1 || all[0].Name != "a" {
		t.Errorf("the slowest are %v", all)
	}
	if got := []string{duration(12.97), duration(59.96), duration(119.7), duration(3599.8)}; fmt.Sprint(got) != "[13.0s 1m00s 2m00s 1h00m]" {
		t.Errorf("times are %q", got)
	}
}

// A run of which nothing is known but its plan can be shown, too.
func TestEmptyPage(t *testing.T) {
	record := ledger.Record{Dir: "out", Run: ledger.RunRecord{JobCount: 2, Plan: ledger.PlanID{Jobs: []ledger.PlanJob{{Name: "a"}, {Name: "b"}}}}, Writing: true}
	text := written(t, Data{Report: report.Merge(report.OnRecord([]ledger.Record{record})), Runs: []Run{{"out", &timeline.Run{}}}})
	if !strings.Contains(text, "0 of 2 images are there so far") || !strings.Contains(text, "cannot be drawn") {
		t.Errorf("the page is\n%s", text)
	}
}

func TestLargePage(t *testing.T) {
	if n := len(written(t, runOfJobs(5000))); n > 5<<20 {
		t.Errorf("the page of 5,000 jobs has %d bytes", n)
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		most, top float64
		labels    int
	}{{0, 1, 2}, {1, 1, 2}, {3, 3, 4}, {5, 5, 6}, {6, 6, 4}, {21, 25, 6}, {54, 60, 4}, {1000, 1000, 6}, {4.5e9, 5e9, 6}} {
		if top, labels := scale(c.most); top != c.top || labels != c.labels {
			t.Errorf("an axis for %g ends at %g with %d numbers, want %g and %d", c.most, top, labels, c.top, c.labels)
		}
	}
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := range n.ChildNodes() {
		b.WriteString(textOf(c))
	}
	return b.String()
}

func elements(n *html.Node, name string) (all []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			all = append(all, d)
		}
	}
	return all
}

// The marks of an axis stand at round times and are not crowded, and the drawing ends where
// the run does or within one mark.
func TestAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.Int64Range(0, int64(100*day)).Draw(t, "length"))
		a := axisOf(&timeline.Run{Began: began, Latest: began.Add(length)})
		if a.marks < 1 || a.marks > mostMarks {
			t.Errorf("%d marks", a.marks)
		}
		end := time.Duration(a.marks) * a.mark
		if end < length || end-length >= a.mark && length > 0 {
			t.Errorf("a run of %s ends at %s with marks every %s", length, end, a.mark)
		}
		if drawn := a.At(a.N - 1); end-drawn > time.Second {
			t.Errorf("%s are drawn of %s", drawn, end)
		}
		named := map[string]bool{}
		for i := range a.marks + 1 {
			name := clock(time.Duration(i) * a.mark)
			if named[name] {
				t.Errorf("%s stands at the axis twice", name)
			}
			named[name] = true
		}
	})
}

// No text of a record brings control characters onto the page, whatever it names.
func TestPageWithoutControlCharacters(t *testing.T) {
	const evil = "a\x1b[31m\u202eb"
	events := &timeline.Run{}
	tell := func(e journal.Event) { events.Apply(began, e) }
	tell(journal.RunStarted{Jobs: 2, Workers: 1, Nodes: []string{evil, "other"}})
	var entries []ledger.Entry
	for _, status := range []ledger.Status{evil, ledger.Failed, ledger.Built} {
		log := evil
		e := ledger.Entry{Name: evil + string(status), Node: evil, Status: status, Digest: "sha256:" + evil, LogPath: &log, DurationSeconds: 1, FinishedAt: ledger.Time{Time: began}}
		tell(journal.JobStarted{Job: e.Name, Node: evil})
		tell(journal.JobFinished{Entry: e})
		entries = append(entries, e)
	}
	tell(journal.Sampled{Node: evil, Bound: evil, UsedBytes: 1, HighBytes: 2, Cache: &journal.Parts{Live: 1}})
	var records []ledger.Record
	for _, dir := range []string{evil, "again"} {
		records = append(records, ledger.Record{Dir: dir, Entries: entries, Run: ledger.RunRecord{JobCount: 4, ResumeCommand: evil}, Notes: []string{evil}})
	}
	text := written(t, Data{Report: report.Merge(report.OnRecord(records)), Runs: []Run{{evil, events}},
		Lines: []explain.Line{{File: evil, Line: 3, Text: evil, Ran: 3, Seconds: 4}},
		Steps: []ledger.Step{{ID: "1", StepForm: &ledger.StepForm{Kind: ledger.StepBase, Text: evil}, Jobs: 9}, {ID: "2", StepForm: &ledger.StepForm{Kind: ledger.StepRun, Text: evil, File: evil}, Jobs: 9, On: []string{"1"}}}})
	if at := strings.IndexAny(text, "\x1b\u202e"); at >= 0 {
		t.Errorf("on the page is %q", text[max(at-200, 0):at+50])
	}
	if !strings.Contains(text, "Workers: ab") {
		t.Error("its node is not named")
	}
}

// Of several runs the slowest jobs say of which they are.
func TestSlowestOfSeveralRuns(t *testing.T) {
	record := func(dir string) ledger.Record {
		return ledger.Record{Dir: dir, Run: ledger.RunRecord{JobCount: 1}, Entries: []ledger.Entry{{Name: "job", Tags: []string{dir}, Status: ledger.Built, DurationSeconds: 10}}}
	}
	one, two := written(t, Data{Report: report.Merge(report.OnRecord([]ledger.Record{record("monday")}))}),
		written(t, Data{Report: report.Merge(report.OnRecord([]ledger.Record{record("monday"), record("tuesday")}))})
	if strings.Contains(one, "(monday)") || !strings.Contains(two, "(monday)") || !strings.Contains(two, "(tuesday)") {
		t.Error("it is not said of which runs the slowest are")
	}
}
