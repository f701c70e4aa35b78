package sketch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/timeline"
)

// runOf is a run of so many jobs on two nodes, told of at seconds since its beginning.
func runOf(jobs int, events ...any) Run {
	r := &timeline.Run{}
	at := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	r.Apply(at, journal.RunStarted{Jobs: jobs, Nodes: []string{"one", "two"}})
	for i := 0; i < len(events); i += 2 {
		r.Apply(at.Add(time.Duration(events[i].(float64)*float64(time.Second))), events[i+1].(journal.Event))
	}
	return Run{"out", r}
}

func ended(status ledger.Status) journal.Event {
	return journal.JobFinished{Entry: ledger.Entry{Name: "x", Status: status}}
}

func level(node string, used int64) journal.Event {
	return journal.Sampled{Node: node, Bound: "the disk of `x`", UsedBytes: used, HighBytes: 100e6}
}

func TestDrawing(t *testing.T) {
	var events []any
	for i := range 40 {
		events = append(events, float64(i), ended(ledger.Built), float64(i), level("two", int64(i)*2e6), float64(i), level("one", 1e6))
	}
	events = append(events, 59.0, ended(ledger.Failed))
	want := "\n```text\n" + `images there, of 80; x: 1 failed
      80 │
         │
         │                                 ▁▁▂▂▃▃▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         │                 ▁▁▂▂▃▃▄▄▅▅▆▆▇▇█████████████████████████████
       0 │▁▁▁▂▂▃▃▄▄▅▅▆▆▇▇█████████████████████████████████████████████
         └────────────────────────────────────────────────────────────
                                                                     x
          0s                                                     59.0s

the disk of 'x' of the fullest node, two: at most 78MB, limit 100MB
   100MB │
         │                                ▁▂▃▄▄▅▆▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
         │                      ▁▂▃▄▄▅▆▇██████████████████████████████
         │            ▁▂▃▄▄▅▆▇████████████████████████████████████████
       0 │ ▁▁▂▃▄▄▅▆▇██████████████████████████████████████████████████
         └────────────────────────────────────────────────────────────
          0s                                                     59.0s
` + "```\n"
	if got := Markdown([]Run{runOf(80, events...)}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever a run has come to, what is drawn of it is right, and small.
func TestRuns(t *testing.T) {
	var many []any
	for i := range 5000 {
		many = append(many, float64(i), ended(ledger.Built))
	}
	for name, tt := range map[string]struct {
		run        Run
		want, less []string
	}{
		"one image":     {runOf(1, 7.5, ended(ledger.Built)), []string{"images there, of 1\n       1 │", "7.5s\n"}, []string{"x:"}},
		"none built":    {runOf(3, 1.0, ended(ledger.Failed), 2.0, ended(ledger.SkippedDependency)), []string{"of 3; x: 1 failed\n"}, nil},
		"5,000 images":  {runOf(5000, many...), []string{"images there, of 5000\n    5000 │", " 1h23m\n"}, []string{"x:"}},
		"unfinished":    {runOf(10, 1.0, ended(ledger.Built), 60.0, journal.Stopping{}), []string{"of 10\n", " 1m00s\n"}, nil},
		"nothing ended": {runOf(10, 1.0, level("one", 5e6)), []string{"the disk of 'x' of the fullest node, one: at most 5MB"}, []string{"images there"}},
		"only a cache": {runOf(10, 1.0, journal.Sampled{Node: "one", Cache: &journal.Parts{Live: 1e6, Dead: 2e6}}),
			[]string{"the cache of the fullest node, one: at most 3MB\n     3MB │"}, []string{"limit"}},
	} {
		got := Markdown([]Run{tt.run})
		if len(got) > 4<<10 || strings.Count(got, "\n") > 25 {
			t.Errorf("%s: %d bytes\n%s", name, len(got), got)
		}
		for _, text := range tt.want {
			if !strings.Contains(got, text) {
				t.Errorf("%s: there is no %q in\n%s", name, text, got)
			}
		}
		for _, text := range tt.less {
			if strings.Contains(got, text) {
				t.Errorf("%s: there is %q in\n%s", name, text, got)
			}
		}
	}
	if got := Markdown([]Run{{"out", &timeline.Run{}}, runOf(3)}); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

// Of several runs the first few are drawn, each under its name.
func TestSeveralRuns(t *testing.T) {
	var runs []Run
	for i := range shownRuns + 2 {
		run := runOf(2, 1.0, ended(ledger.Built))
		run.Name = fmt.Sprintf("out_%d", i)
		runs = append(runs, run)
	}
	got := Markdown(runs)
	if strings.Count(got, "```text") != shownRuns || !strings.Contains(got, "\nout\\_0\n\n```text\n") || !strings.HasSuffix(got, "\n2 more runs not drawn.\n") {
		t.Errorf("%s", got)
	}
}

// A little is seen, and not all never looks like all.
func TestFilled(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		rows [height]int
	}{{0, [height]int{}}, {1, [height]int{1}}, {4999, [height]int{8, 8, 8, 8, 7}}, {5000, [height]int{8, 8, 8, 8, 8}}, {2500, [height]int{8, 8, 4}}} {
		for row, want := range tt.rows {
			if got := filled(tt.v, 5000, row); got != want {
				t.Errorf("%g of 5000: %d eighths in row %d, want %d", tt.v, got, row, want)
			}
		}
	}
}
