package browsertest

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab/browser"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/live"
	"github.com/stoker-build/stoker/internal/page"
	"github.com/stoker-build/stoker/internal/report"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// picturesEnv names a directory for pictures of what the tests look at.
const picturesEnv = "STOKER_TEST_PICTURES"

func picture(tab *browser.Tab, name string) {
	if dir := os.Getenv(picturesEnv); dir != "" {
		tab.Picture(filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "").Replace(name)+".png"))
	}
}

// views are the ways in which each page has to be good.
var views = []browser.View{{Width: browser.Desktop}, {Width: browser.Desktop, Dark: true}, {Width: browser.Phone}, {Width: browser.Phone, Dark: true}}

// inner are the first cells of the rows of the table of all jobs, as far as they are shown.
const inner = `[...document.querySelectorAll("#all tbody tr")].filter(r => !r.hidden).map(r => r.cells[0].innerText)`

// A report is opened from disk: it asks for nothing, complains of nothing, and does what it offers.
func TestReportFromDisk(t *testing.T) {
	b := browser.Start(t)
	address, _ := file(t, data(samples["failures"]...))
	tab := b.Open(t, address, views[0])
	tab.Says("#failures", "exit code: 1")
	tab.Says("#failures pre", "No matching distribution found for numpy==99")

	// By name; numbers in names count as numbers.
	tab.Click("#all thead button")
	if rows := browser.Value[[]string](tab, inner); rows[1] != "project__project-1" || rows[10] != "project__project-10" {
		t.Errorf("sorted by name: %v", rows)
	}
	// By time, the longest first.
	tab.Click("#all thead th:nth-child(3) button")
	times := browser.Value[[]float64](tab, `[...document.querySelectorAll("#all tbody tr")].map(r => Number(r.cells[2].dataset.v))`)
	if !slices.IsSortedFunc(times, func(a, b float64) int { return cmp.Compare(b, a) }) {
		t.Errorf("sorted by time: %v", times)
	}
	if way := browser.Value[string](tab, `document.querySelector("#all thead th:nth-child(3)").ariaSort`); way != "descending" {
		t.Errorf("the column is said to be sorted %q", way)
	}

	// By keys alone, each table: which column it is by, and which way, is told.
	for _, c := range []struct{ table, column, first, second string }{
		{"reasons", "why", "ascending", "descending"}, {"slowest", "job", "ascending", "descending"},
		{"lines", "cached", "descending", "ascending"}, {"all", "attempts", "descending", "ascending"},
	} {
		head := fmt.Sprintf("[...document.querySelectorAll('#%s th')].find(h => h.innerText.startsWith(%q))", c.table, c.column)
		place := browser.Value[int](tab, head+".cellIndex + 1")
		for _, way := range []string{c.first, c.second} {
			tab.Type(fmt.Sprintf("#%s th:nth-child(%d) button", c.table, place), " ")
			told := browser.Value[[]string](tab, fmt.Sprintf("[...document.querySelectorAll('#%s th')].filter(h => h.ariaSort).map(h => h.cellIndex + 1 + ' ' + h.ariaSort)", c.table))
			if want := fmt.Sprint(place, " ", way); !slices.Equal(told, []string{want}) {
				t.Errorf("%s says it is sorted by %q, want %q", c.table, told, want)
			}
		}
	}

	tab.Type("#filter", "failed")
	if rows := browser.Value[[]string](tab, inner); len(rows) != 6 {
		t.Errorf("of failed jobs are shown: %v", rows)
	}
	tab.Says("#shown", "6 of 60")

	colour := `getComputedStyle(document.body).backgroundColor`
	light := browser.Value[string](tab, colour)
	tab.Click("#theme")
	if dark := browser.Value[string](tab, colour); dark == light {
		t.Errorf("light and dark are both %s", dark)
	}
	if asked := tab.Requests(); len(asked) != 1 {
		t.Errorf("the report has asked for %v", asked)
	}
	tab.Quiet()
}

// Whoever looks, however they look: nobody is kept out, and no page is wider than its window.
func TestReportsForEverybody(t *testing.T) {
	b := browser.Start(t)
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		address, _ := file(t, data(samples[name]...))
		seen := views
		if name != "failures" { // which has all that a page has
			seen = []browser.View{views[0], views[3]}
		}
		look(b.Open(t, address, views[0]), t, name, seen...)
	}
	record := ledger.Record{Dir: "stoker-out", Writing: true, Run: ledger.RunRecord{JobCount: 1, Plan: ledger.PlanID{Jobs: []ledger.PlanJob{{Name: "a"}}}}}
	address, _ := file(t, page.Data{Report: report.Merge(report.OnRecord([]ledger.Record{record})), Made: began})
	look(b.Open(t, address, views[0]), t, "nothing yet", views[0], views[3])
}

// look looks at a page in several ways.
func look(tab *browser.Tab, t *testing.T, name string, views ...browser.View) {
	t.Helper()
	for _, v := range views {
		tab.Look(v)
		what := name + ", " + v.String()
		picture(tab, what)
		tab.Accessible(what)
		if wide := browser.Value[int](tab, "document.documentElement.scrollWidth"); wide > v.Width {
			t.Errorf("%s: the page is %d wide", what, wide)
		}
	}
}

// A report of many jobs is not too large for a mail or a browser.
func TestReportOfManyJobs(t *testing.T) {
	b := browser.Start(t)
	address, size := file(t, data(sample{Jobs: 5000, Workers: 32, Nodes: []string{"node"}, FailEach: 100}))
	if size > 5<<20 {
		t.Errorf("the report of 5,000 jobs has %d bytes", size)
	}
	from := time.Now()
	tab := b.Open(t, address, views[0])
	if n := browser.Value[int](tab, `document.getElementById("all").tBodies[0].rows.length`); n != 5000 {
		t.Errorf("it has %d rows", n)
	}
	t.Logf("%d bytes, opened in %s", size, time.Since(from).Round(time.Millisecond))
	from = time.Now()
	tab.Type("#filter", "4999")
	tab.Says("#shown", "1 of 5000")
	t.Logf("filtered in %s", time.Since(from).Round(time.Millisecond))
	tab.Quiet()
}

// A log is shown once however often it is asked for, and is one attempt's alone.
func TestLogOnLivePage(t *testing.T) {
	dir := t.TempDir()
	run := live.NewRun(ledger.Record{Dir: dir, Writing: true, Run: ledger.RunRecord{JobCount: 1}})
	server, err := live.Serve("127.0.0.1:0", run)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	attempt := func(n int, text string) {
		t.Helper()
		log := filepath.Join("logs", "a", fmt.Sprintf("attempt-%d.log", n))
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(log)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, log), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		run.Apply(time.Now(), journal.AttemptStarted{Job: "a", Attempt: n, Log: log})
	}
	run.Apply(time.Now(), journal.RunStarted{Jobs: 1, Workers: 1, Nodes: []string{"node"}})
	run.Apply(time.Now(), journal.JobStarted{Job: "a", Node: "node"})
	attempt(1, "the first attempt\n")
	tab := browser.Start(t).Open(t, server.URL()+"?token=secret", views[0])
	tab.Says("#now", "starting")
	if address := browser.Value[string](tab, "location.href"); address != server.URL() {
		t.Errorf("a token stays in the address: %s", address)
	}
	// Answers take a while: what was asked for at each click is asked for at once.
	browser.Value[bool](tab, `(() => {
		const ask = fetch;
		window.answers = 0;
		window.fetch = async url => {
			const answer = await ask(url);
			await new Promise(then => setTimeout(then, 500));
			window.answers++;
			return answer;
		};
		const button = document.querySelector("button.log");
		button.click(); button.click(); button.click();
		return true;
	})()`)
	const shown = `document.getElementById("log-text").textContent`
	tab.Wait("window.answers >= 3")
	attempt(1, "the first attempt\ngoes on\n")
	tab.Says("#log-text", "goes on")
	answers := browser.Value[int](tab, "window.answers")
	tab.Wait(fmt.Sprintf("window.answers >= %d", answers+3))
	if text := browser.Value[string](tab, shown); text != "the first attempt\ngoes on\n" {
		t.Errorf("after three clicks the log is %q", text)
	}
	attempt(2, "the second attempt, of which there is more\n")
	tab.Says("#log-text", "of which there is more")
	if text := browser.Value[string](tab, shown); text != "the second attempt, of which there is more\n" {
		t.Errorf("in the second attempt the log is %q", text)
	}
	tab.Quiet()
}

// A page follows a run from its start to its end.
func TestLivePage(t *testing.T) {
	dir := t.TempDir()
	record := ledger.Record{Dir: dir, Writing: true, Run: ledger.RunRecord{JobCount: 3, StartedAt: ledger.Time{Time: time.Now()}}}
	for _, name := range []string{"a", "b", "c"} {
		record.Run.Plan.Jobs = append(record.Run.Plan.Jobs, ledger.PlanJob{Name: name, Tags: []string{name}})
	}
	run := live.NewRun(record)
	server, err := live.Serve("127.0.0.1:0", run)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			server.Close()
		}
	}()
	tell := func(e journal.Event) { run.Apply(time.Now(), e) }
	end := func(name string, s ledger.Status, f *ledger.Failure) {
		now := ledger.Time{Time: time.Now()}
		tell(journal.JobFinished{Entry: ledger.Entry{Name: name, Tags: []string{name}, Status: s, Failure: f, Time: now, FinishedAt: now, AttemptCount: 1, DurationSeconds: 1}})
	}
	tell(journal.RunStarted{Jobs: 3, Workers: 2, Nodes: []string{"node"}})
	tab := browser.Start(t).Open(t, server.URL(), views[0])
	tab.Says("h1", "0 of 3 images are there so far")
	tab.Says("#now", "No job is at work")

	log := filepath.Join("logs", "a", "attempt-1.log")
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(log)), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintln(f, text)
	}
	write("first line")
	tell(journal.JobStarted{Job: "a", Node: "node"})
	tell(journal.AttemptStarted{Job: "a", Attempt: 1, Log: log})
	tell(journal.StepStarted{Job: "a", Step: "RUN make"})
	tell(journal.Sampled{Node: "node", Bound: "the disk", UsedBytes: 1e9, HighBytes: 2e9, Waiting: map[string]int{"space": 1}})
	tab.Says("#now", "RUN make")
	tab.Says("#now", "1 job waits for space")
	tab.Click("button.log")
	tab.Says("#log-text", "first line")
	write("<b>second</b> line")
	tab.Says("#log-text", "<b>second</b> line")
	look(tab, t, "live", views...)

	// What is on record of the steps is there, too, and stays as a reader has sorted it.
	step := func(line, ran int) string {
		return fmt.Sprintf(`{"id":"%064d","kind":"step","text":"RUN step-%d","file":"Dockerfile","line":%d,"jobs":3,"ran":%d,"cached":1,"seconds":%d}`+"\n", line, line, line, ran, 10-line)
	}
	notes := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, ledger.StepsFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	notes(step(1, 1) + step(2, 2))
	tell(journal.StepStarted{Job: "a", Step: "RUN make"})
	tab.Says("#costs", "RUN step-1")
	tab.Says("#tree", "RUN step-2")
	tab.Type("#lines th:nth-child(3) button", " ")
	notes(step(1, 1) + step(2, 2) + step(3, 3))
	tell(journal.StepStarted{Job: "a", Step: "RUN make"})
	tab.Says("#costs", "RUN step-3")
	if order := browser.Value[[]string](tab, `[...document.querySelectorAll("#lines tbody tr")].map(r => r.cells[2].innerText)`); !slices.Equal(order, []string{"3", "2", "1"}) {
		t.Errorf("the lines of which most ran stand first no more: %v", order)
	}
	if focused := browser.Value[string](tab, `document.activeElement.innerText`); focused != "ran" {
		t.Errorf("the focus is at %q", focused)
	}

	end("a", ledger.Failed, &ledger.Failure{Class: "permanent", Message: "make: <no> rule", Output: []string{"make: *** No rule"}})
	tab.Says("#failures", "make: <no> rule")
	tab.Says("#all tbody", "make: <no> rule")
	end("b", ledger.Built, nil)
	end("c", ledger.Built, nil)
	tell(journal.RunFinished{Summary: ledger.Summary{Total: 3, Built: 2, Failed: 1}})
	tab.Says("h1", "2 of 3 images are there")
	tab.Says("#link", "the run has ended")
	if title := browser.Value[string](tab, "document.title"); !strings.HasPrefix(title, "2 of 3 images are there") {
		t.Errorf("the title is %q", title)
	}
	if rows := browser.Value[[]string](tab, inner); !slices.Equal(rows, []string{"a", "b", "c"}) {
		t.Errorf("the jobs are %v", rows)
	}
	closed = true
	server.Close()
	for _, address := range tab.Requests() {
		if !strings.HasPrefix(address, server.URL()) {
			t.Errorf("the page has asked for %s", address)
		}
	}
	tab.Quiet()
}
