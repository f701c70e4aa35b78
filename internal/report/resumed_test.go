package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// resumed is a run that was gone on with an hour after its start, and then took 59.973 s: of its
// three jobs, one had been built before.
func resumed() ledger.Record {
	at := func(d time.Duration) ledger.Time {
		return ledger.Time{Time: time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC).Add(d)}
	}
	r := ledger.Record{Dir: "out", Here: true, Run: ledger.RunRecord{JobCount: 3, StartedAt: at(0), ResumedAt: []ledger.Time{at(time.Hour)}}}
	end := at(time.Hour + 59973*time.Millisecond)
	for name, ended := range map[string]ledger.Time{"a": at(time.Minute), "b": end, "c": end} {
		r.Entries = append(r.Entries, ledger.Entry{Name: name, Status: ledger.Built, Time: ended, FinishedAt: ended, DurationSeconds: 1})
		r.Run.Plan.Jobs = append(r.Run.Plan.Jobs, ledger.PlanJob{Name: name})
	}
	r.Summary = &ledger.Summary{Total: 3, Built: 3, KeptBuilt: 1, FinishedAt: end, WallClockSeconds: 59.973}
	return r
}

// What a run took that went on is told beside the time since its first start, and what it kept.
func TestAResumedRun(t *testing.T) {
	text := Merge(OnRecord([]ledger.Record{resumed()})).Text()
	for _, want := range []string{
		"1h01m from the first start to the last end, 1m00s since it went on, ",
		"out: finished, 3 built, 0 skipped, 0 failed of 3 jobs in 1m00s, 1 of them kept from before\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Beside others, it is said to be the rest of a run.
func TestTheRestOfARun(t *testing.T) {
	whole := resumed()
	whole.Dir, whole.Run.ResumedAt = "whole", nil
	a, b := Seen{Record: whole}, Seen{Record: resumed()}
	const rest = "is the rest of an earlier run: 1 of its 3 jobs had been finished before"
	c := Compare(a, b)
	if text := c.Text(); !strings.Contains(text, "! B "+rest) || strings.Contains(text, "! A") {
		t.Errorf("the comparison is\n%s", text)
	}
	if text := c.Markdown(); !strings.Contains(text, "B "+rest) {
		t.Errorf("the comparison is\n%s", text)
	}
	if text := HistoryOf([]Seen{a, b}).Text(0); strings.Count(text, rest) != 1 || !strings.Contains(text, "out: it "+rest) {
		t.Errorf("the history is\n%s", text)
	}
}

// A run that skipped all has nothing to pull: that is not unknown.
func TestNothingToPull(t *testing.T) {
	r := resumed()
	for i := range r.Entries {
		r.Entries[i].Status = ledger.Skipped
	}
	for _, row := range Compare(Seen{Record: resumed()}, Seen{Record: r}).Rows() {
		if row.Name == "to pull, by forecast" && (row.A != unknown || row.B != none) {
			t.Errorf("to pull: %+v", row)
		}
	}
	if text := Merge(OnRecord([]ledger.Record{r})).Text(); !strings.Contains(text, "to pull by the forecasts: -; pulled: -; reclaimed: -\n") {
		t.Errorf("the report is\n%s", text)
	}
}
