package browsertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab/browser"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/page"
	"github.com/stoker-build/stoker/internal/report"
)

// seen are runs as a comparison and a history take them.
func seen(d page.Data, records []ledger.Record) (all []report.Seen) {
	for i, r := range records {
		all = append(all, report.Seen{Record: r, Events: d.Runs[i].Run, Given: map[string]string{"--output": fmt.Sprint("type=registry,compression=", i)}})
	}
	return all
}

// twoRuns is a run of many jobs beside a slower one of the same, of which more fail.
func twoRuns(long bool) page.Data {
	a := sample{Jobs: 40, Workers: 6, Nodes: []string{"node"}, FailEach: 20, Long: long}
	b := a
	b.Workers, b.FailEach = 3, 9
	d := page.Data{Made: began}
	var records []ledger.Record
	for i, s := range []sample{a, b} {
		dir := fmt.Sprintf("stoker-out/of-day-%d", i+1)
		if long {
			dir = "a-directory-with-a-long-name-and-then-some-more-of-it/" + dir
		}
		record, run := s.run(dir)
		records, d.Runs = append(records, record), append(d.Runs, run)
	}
	d.Report = report.Merge(report.OnRecord(records))
	two := seen(d, records)
	d.Comparison = report.Compare(two[0], two[1])
	return d
}

// Two runs beside each other are good to look at for everybody, and all that is told of them can be sorted.
func TestComparison(t *testing.T) {
	b := browser.Start(t)
	address, _ := file(t, twoRuns(false))
	tab := b.Open(t, address, views[0])
	tab.Says("#comparison h2", "A and B beside each other")
	tab.Says("#comparison", "Failed in B alone")
	tab.Says("#comparison table.options", "type=registry,compression=1")
	tab.Click("#comparison table.sorts thead button")
	if way := browser.Value[string](tab, `document.querySelector("#comparison table.sorts thead th").ariaSort`); way != "ascending" {
		t.Errorf("the jobs are said to be sorted %q", way)
	}
	look(tab, t, "comparison", views...)
	tab.Quiet()
	address, _ = file(t, twoRuns(true))
	look(b.Open(t, address, views[0]), t, "comparison with long names", views[0], views[3])
}

// history is the page of many runs, of which one did nothing and one goes on.
func history(t *testing.T, runs int) string {
	t.Helper()
	var all []report.Seen
	for i := range runs {
		s := sample{Jobs: 20 + i%5, Workers: 2 + i%4, Nodes: []string{"node"}, FailEach: 7}
		record, run := s.run(fmt.Sprintf("stoker-out/archive/%d", i+1))
		record.Run.StartedAt = ledger.Time{Time: began.AddDate(0, 0, i-runs+1)}
		switch i {
		case 2:
			record.Entries, record.Summary = nil, nil
		case runs - 1:
			record.Summary, record.Writing = nil, true
			record.Entries = record.Entries[:9]
		}
		all = append(all, report.Seen{Record: record, Events: run.Run})
	}
	var b bytes.Buffer
	if err := page.WriteHistory(&b, report.HistoryOf(all), time.Now()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "history.html")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

// Runs one after another are good to look at for everybody.
func TestHistory(t *testing.T) {
	b := browser.Start(t)
	tab := b.Open(t, history(t, 12), views[0])
	tab.Says("h1", "12 runs from 2025-12-22 to 2026-01-02")
	tab.Says("main", "running, 12 of 21 jobs unfinished")
	tab.Click("#runs thead th:nth-child(8) button") // images an hour
	rates := browser.Value[[]float64](tab, `[...document.querySelectorAll("#runs tbody tr")].map(r => Number(r.cells[7].dataset.v))`)
	if rates[0] <= rates[1] && rates[0] <= rates[10] || rates[11] != -1 {
		t.Errorf("sorted by images an hour: %v", rates)
	}
	look(tab, t, "history", views...)
	if asked := tab.Requests(); len(asked) != 1 {
		t.Errorf("the page has asked for %v", asked)
	}
	tab.Quiet()
	look(b.Open(t, history(t, 1), views[0]), t, "history of one run", views[0])
	look(b.Open(t, history(t, 90), views[0]), t, "history of many runs", views[0], views[2])
}
