package page

import (
	"slices"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
	"github.com/stoker-build/stoker/internal/timeline"
)

// A run that was gone on with counts from there, as the terminal does, and tells what it kept.
func TestFiguresOfAResumedRun(t *testing.T) {
	at := func(s float64) ledger.Time {
		return ledger.Time{Time: began.Add(time.Duration(s * float64(time.Second)))}
	}
	for _, tt := range []struct {
		name   string
		change func(r *ledger.Record, d *Data)
		want   []figure
		never  string
	}{
		{"ended", func(r *ledger.Record, _ *Data) {
			r.Summary = &ledger.Summary{FinishedAt: at(159.973), WallClockSeconds: 59.973}
		}, []figure{{"1", "built", "built"}, {"1", "kept from before", "skipped"}, {"1m00s", "since it went on", ""}}, "left"},
		{"killed", func(*ledger.Record, *Data) {}, []figure{{"40.0s", "since it went on until it was last heard of", ""}}, "left"},
		{"running", func(r *ledger.Record, d *Data) {
			r.Writing, d.Live = true, &Live{Left: "about 1m46s"}
		}, []figure{{"1", "kept from before", "skipped"}, {"40.0s", "so far", ""}, {"about 1m46s", "left", ""}}, "since it went on"},
	} {
		r := ledger.Record{Dir: "out", Here: true, Run: ledger.RunRecord{JobCount: 2, StartedAt: at(0), ResumedAt: []ledger.Time{at(100)}}, Entries: []ledger.Entry{
			{Name: "a", Status: ledger.Built, Time: at(9), FinishedAt: at(9)}, {Name: "b", Status: ledger.Built, Time: at(130), FinishedAt: at(130)},
		}}
		events := &timeline.Run{}
		events.Apply(at(100).Time, journal.RunStarted{Jobs: 2, Kept: 1, Workers: 1, Nodes: []string{"n"}})
		events.Apply(at(140).Time, journal.Sampled{Node: "n"})
		d := Data{Runs: []Run{{"out", events}}}
		tt.change(&r, &d)
		d.Report = report.Merge(report.OnRecord([]ledger.Record{r}))
		all := view{d}.Figures()
		for _, want := range tt.want {
			if !slices.Contains(all, want) {
				t.Errorf("%s: no %v in %v", tt.name, want, all)
			}
		}
		if slices.ContainsFunc(all, func(f figure) bool { return f.Name == tt.never }) {
			t.Errorf("%s: %q in %v", tt.name, tt.never, all)
		}
	}
}
