package live

import (
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// The page says how long the run still takes, as its terminal does, until it has ended.
func TestWhatIsLeft(t *testing.T) {
	record := ledger.Record{Dir: t.TempDir(), Writing: true, Run: ledger.RunRecord{JobCount: 1, Plan: ledger.PlanID{Jobs: []ledger.PlanJob{{Name: "a", Seconds: 36_030}}}}}
	run := NewRun(record)
	run.Apply(time.Now(), journal.RunStarted{Jobs: 1, Workers: 1, Nodes: []string{"n"}})
	left := func() bool {
		page, err := run.page()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(page), "<dt>left</dt><dd>about 10h00m</dd>")
	}
	if !left() {
		t.Error("the page does not say what is left")
	}
	run.Apply(time.Now(), journal.RunFinished{})
	if left() {
		t.Error("the page of a run that has ended says what is left")
	}
}

// Images an hour are those until now: nothing has ended for a while.
func TestPaceWhileNothingEnds(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration) ledger.Time { return ledger.Time{Time: now.Add(-ago)} }
	run := NewRun(ledger.Record{Dir: t.TempDir(), Writing: true, Run: ledger.RunRecord{JobCount: 2, StartedAt: at(2 * time.Hour)}})
	run.Apply(now.Add(-2*time.Hour), journal.RunStarted{Jobs: 2, Workers: 1, Nodes: []string{"n"}})
	run.Apply(now.Add(-2*time.Hour), journal.JobStarted{Job: "a", Node: "n"})
	run.Apply(now.Add(-time.Hour), journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Built, Time: at(time.Hour), StartedAt: at(2 * time.Hour), FinishedAt: at(time.Hour)}})
	run.mu.Lock()
	defer run.mu.Unlock()
	if rate := run.data().Report.ImagesPerHour; rate < 0.45 || rate > 0.51 {
		t.Errorf("one in two hours are %g images an hour", rate)
	}
}
