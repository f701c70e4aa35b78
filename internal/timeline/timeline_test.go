package timeline

import (
	"reflect"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func after(seconds float64) time.Time {
	return began.Add(time.Duration(seconds * float64(time.Second)))
}

// told is a run of which some events were told, at seconds since its beginning.
func told(events ...any) *Run {
	r := &Run{}
	r.Apply(began, journal.RunStarted{Jobs: 4, Workers: 2, Nodes: []string{"n"}})
	for i := 0; i < len(events); i += 2 {
		r.Apply(after(events[i].(float64)), events[i+1].(journal.Event))
	}
	return r
}

func TestSpans(t *testing.T) {
	r := told(
		1.0, journal.JobStarted{Job: "a", Node: "n"},
		2.0, journal.JobStarted{Job: "b", Node: "n"},
		2.5, journal.AttemptStarted{Job: "b", Attempt: 2},
		2.6, journal.StepStarted{Job: "b", Step: "RUN make"},
		3.0, journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Built, AttemptCount: 1}},
		4.0, journal.JobStarted{Job: "c", Node: "n"}, // takes the lane of a
		5.0, journal.JobWaiting{Job: "c"},
		6.0, journal.JobStarted{Job: "d"}, // on several nodes
		7.0, journal.JobFinished{Entry: ledger.Entry{Name: "e", Status: ledger.Skipped}}, // had no worker
	)
	want := []Span{
		{Job: "a", Node: "n", Lane: 0, From: after(1), To: after(3), Attempts: 1, Status: ledger.Built},
		{Job: "b", Node: "n", Lane: 1, From: after(2), Attempts: 2, Step: "RUN make"},
		{Job: "c", Node: "n", Lane: 0, From: after(4), To: after(5)},
		{Job: "d", Node: "", Lane: 0, From: after(6)},
	}
	if !reflect.DeepEqual(r.Spans, want) {
		t.Errorf("spans\n%+v\nwant\n%+v", r.Spans, want)
	}
	if r.Lanes("n") != 2 || r.Lanes("") != 1 || len(r.Ends) != 2 {
		t.Errorf("lanes %d and %d, ends %v", r.Lanes("n"), r.Lanes(""), r.Ends)
	}
	r.Apply(after(8), journal.RunFinished{})
	for _, s := range r.Spans {
		if s.To.IsZero() {
			t.Errorf("after the run, %s goes on", s.Job)
		}
	}
}

// Events that come before a run has begun, as in a file whose beginning is lost, are no harm.
func TestWithoutABeginning(t *testing.T) {
	r := &Run{}
	for _, e := range []journal.Event{
		journal.JobStarted{Job: "a"}, journal.WaitingForSpace{Job: "b"}, journal.SweepStarted{}, journal.SweepFinished{},
		journal.JobFinished{Entry: ledger.Entry{Name: "a"}}, journal.RunFinished{},
	} {
		r.Apply(began, e)
	}
	if len(r.Spans)+len(r.Waits)+len(r.Sweeps) != 0 || r.Summary == nil {
		t.Errorf("it tells %+v", r)
	}
}

func TestSweepsAndWaits(t *testing.T) {
	r := told(
		1.0, journal.WaitingForSpace{Job: "a", Bound: "the disk", Node: "n"},
		1.5, journal.WaitingForSpace{Job: "a", Bound: "the disk", Node: "n"}, // still
		2.0, journal.SweepStarted{Node: "n", Batch: 1},
		3.0, journal.SweepFinished{Node: "n", Batch: 1, ReclaimedBytes: 7, ReclaimedRecords: 2, Error: "lost"},
		4.0, journal.JobStarted{Job: "a", Node: "n"},
		5.0, journal.SweepStarted{Node: "n", Pressure: true},
	)
	if want := []Wait{{after(1), after(4), "a", "the disk", "n"}}; !reflect.DeepEqual(r.Waits, want) {
		t.Errorf("waits %+v, want %+v", r.Waits, want)
	}
	want := []Sweep{
		{From: after(2), To: after(3), Node: "n", Bytes: 7, Records: 2, Error: "lost"},
		{From: after(5), Node: "n", Pressure: true},
	}
	if !reflect.DeepEqual(r.Sweeps, want) {
		t.Errorf("sweeps %+v, want %+v", r.Sweeps, want)
	}
}

func TestSeries(t *testing.T) {
	level := func(used int64, parts *journal.Parts) journal.Sampled {
		return journal.Sampled{Node: "n", Bound: "the disk", UsedBytes: used, ReservedBytes: 1, HighBytes: 100, Cache: parts}
	}
	r := told(
		1.0, level(10, nil),
		1.2, level(30, nil), // the most of a piece is drawn
		1.4, level(20, &journal.Parts{Live: 5, Dead: 6}),
		1.5, journal.Sampled{Node: "other", Bound: "the disk", UsedBytes: 99},
		2.0, journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Built}},
		3.0, journal.JobFinished{Entry: ledger.Entry{Name: "b", Status: ledger.Failed}},
		3.0, journal.JobFinished{Entry: ledger.Entry{Name: "c", Status: ledger.SkippedDependency}},
		3.5, journal.Sampled{Node: "n", Bound: "the disk", Unknown: true},
		4.0, level(40, nil),
	)
	g := r.Grid(4)
	if g.N != 5 || g.Step != time.Second {
		t.Fatalf("the grid is %+v", g)
	}
	if c, want := r.Counts(g), (Counts{[]float64{0, 0, 1, 1, 1}, []float64{0, 0, 0, 1, 1}, []float64{0, 0, 0, 1, 1}}); !reflect.DeepEqual(c, want) {
		t.Errorf("counts %+v, want %+v", c, want)
	}
	r.Forecasts = map[string]journal.Forecast{"n": {Bound: "the disk", Jobs: 4, Curve: []int64{50, 60}}}
	for i, job := range []string{"a", "b", "b", "c", "d"} { // b is taken anew
		r.Spans = append(r.Spans, Span{Job: job, Node: "n", From: after(0.5 + float64(i)/2)})
	}
	s := r.Space("n", g)
	used := func(series []*int64) (all []int64) {
		for _, v := range series {
			if v == nil {
				all = append(all, -1)
			} else {
				all = append(all, *v)
			}
		}
		return all
	}
	for name, got := range map[string][2][]int64{
		"used":     {used(s.Used), {-1, 10, 30, 30, 40}},
		"dead":     {used(s.Dead), {-1, -1, 6, 6, 6}},
		"forecast": {used(s.Forecast), {-1, 50, 60, 60, 60}},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s %v, want %v", name, got[0], got[1])
		}
	}
}
