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
