package show

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
)

const mega, giga = 1_000_000, 1_000_000_000

// waits tells that a job waits for space.
func waits(job string) journal.WaitingForSpace {
	return journal.WaitingForSpace{Job: job, NeedBytes: 120 * mega, FreeBytes: 80 * mega, Running: 3, Bound: "--cache-budget"}
}

func sweepBegan(batch int) journal.SweepStarted {
	return journal.SweepStarted{Node: "node-a", Batch: batch}
}

func sweepDone(batch, records int, bytes int64) journal.SweepFinished {
	return journal.SweepFinished{Node: "node-a", Batch: batch, ReclaimedRecords: records, ReclaimedBytes: bytes}
}

// madeRoom is a sweep under pressure.
func madeRoom(records int, bytes int64) journal.SweepFinished {
	return journal.SweepFinished{Node: "node-a", Pressure: true, ReclaimedRecords: records, ReclaimedBytes: bytes}
}

// tight is a run that is short of space.
func tight() *State {
	return stateOf(
		told{0, runOf(500, 4)},
		told{1, journal.JobStarted{Job: "sympy__sympy-20049"}},
		told{2, journal.AttemptStarted{Job: "sympy__sympy-20049", Attempt: 1}},
		told{3, journal.StepStarted{Job: "sympy__sympy-20049", Step: "[2/5] RUN make"}},
		told{4, journal.JobStarted{Job: "django__django-11099"}},
		told{40, built("a", 10)},
		told{50, sweepDone(1, 34, 14_200*mega)},
		told{60, journal.DiskFull{Job: "django__django-11099", Attempt: 1, Error: "no space left on device", Workers: 3}},
		told{61, waits("django__django-11099")},
		told{70, sweepBegan(2)},
	)
}

func TestStateOfSpace(t *testing.T) {
	s := tight()
	if len(s.running) != 1 || s.running[0].name != "sympy__sympy-20049" {
		t.Errorf("after a full disk %d jobs run", len(s.running))
	}
	if s.away != 1 {
		t.Errorf("%d workers are away, want 1", s.away)
	}
	if want := (waitingJob{"django__django-11099", "120MB", sec(61)}); s.waiting == nil || *s.waiting != want {
		t.Errorf("waiting: %+v, want %+v", s.waiting, want)
	}
	if want := (tally{sweeps: 1, records: 34, bytes: 14_200 * mega}); s.swept != want {
		t.Errorf("swept %+v, want %+v", s.swept, want)
	}
	if got := s.sweeping(sec(70)); got != "sweeping batch 2" {
		t.Errorf("sweeping: %q", got)
	}

	s.Apply(sec(80), journal.JobStarted{Job: "django__django-11099"})
	s.Apply(sec(80), journal.WorkersChanged{Workers: 4})
	s.Apply(sec(80), sweepDone(2, 1, 800*mega))
	if s.waiting != nil || s.away != 0 || len(s.sweeps) != 0 || s.reclaimed() != "15GB reclaimed" {
		t.Errorf("after all went well: %+v", *s)
	}
	if j := s.running[1]; j.name != "django__django-11099" || !j.since.Equal(sec(80)) {
		t.Errorf("the job that starts again: %+v", *j)
	}
}

func TestStateWaiting(t *testing.T) {
	tests := []struct {
		name  string
		event journal.Event
		want  string // who waits; empty for nobody
	}{
		{"it starts", journal.JobStarted{Job: "a\x1b[1m"}, ""},
		// A job's start may be told after the next began to wait.
		{"another starts", journal.JobStarted{Job: "b"}, "a"},
		{"another waits", waits("b"), "b"},
		{"the run stops", journal.Stopping{Reason: "interrupted"}, ""},
		{"the run ends", journal.RunFinished{}, ""},
		{"unknown", unknownEvent{}, "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := stateOf(told{0, runOf(6, 2)}, told{1, waits("a\x1b[2J")}, told{2, test.event})
			got := ""
			if s.waiting != nil {
				got = s.waiting.name
			}
			if got != test.want {
				t.Errorf("%q waits, want %q", got, test.want)
			}
		})
	}
}

func TestStateSweeping(t *testing.T) {
	pressure := journal.SweepStarted{Node: "node-a", Pressure: true}
	tests := []struct {
		name   string
		events []told
		want   string
	}{
		{"none", nil, ""},
		{"a batch", []told{{99, sweepBegan(3)}}, "sweeping batch 3"},
		{"at the end", []told{{99, sweepBegan(0)}}, "sweeping"},
		{"room, just begun", []told{{99.5, pressure}}, ""},
		{"room, for long", []told{{99, pressure}}, "making room"},
		{"a batch, and room behind it", []told{{90, sweepBegan(3)}, {91, pressure}}, "sweeping batch 3"},
		{"room is made, the batch goes on", []told{{90, sweepBegan(3)}, {91, pressure}, {92, madeRoom(1, 1)}}, "sweeping batch 3"},
		{"the batch is done, another node's is not", []told{{90, sweepBegan(3)}, {91, journal.SweepStarted{Node: "node-b", Batch: 3}},
			{92, sweepDone(3, 1, 1)}}, "sweeping batch 3"},
		{"an end without a beginning", []told{{92, sweepDone(3, 1, 1)}}, ""},
		{"the run ended", []told{{90, sweepBegan(3)}, {99, journal.RunFinished{}}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := stateOf(test.events...).sweeping(sec(100)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A sweep that removed what it was not asked to is shown to whoever watches.
func TestStateWarnsOfLiveRecords(t *testing.T) {
	bad := sweepDone(1, 3, mega)
	bad.Node, bad.LiveRemovedRecords = "node\x1b[2J-a", 2
	want := []string{"a sweep of node-a removed 2 records that were not dead"}
	if got := stateOf(told{1, bad}).warnings; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTally(t *testing.T) {
	timedOut := journal.SweepFinished{Error: "the sweep\ntook longer than 5m"}
	lost := journal.SweepFinished{ReclaimedRecords: 1, ReclaimedBytes: mega, Error: "\x1b[31mconnection refused"}
	tests := []struct {
		name    string
		sweeps  []journal.SweepFinished
		want    string
		trouble bool
	}{
		{"one", []journal.SweepFinished{sweepDone(1, 34, 1200*mega)}, "1.2GB in 34 records removed", false},
		{"two, one of which did nothing", []journal.SweepFinished{sweepDone(1, 1, mega), sweepDone(1, 0, 0)}, "1MB in 1 record removed", false},
		{"three", []journal.SweepFinished{madeRoom(1, mega), madeRoom(1, mega), madeRoom(1, mega)}, "3MB in 3 records removed by 3 sweeps", false},
		{"one failed", []journal.SweepFinished{timedOut}, "nothing removed; ended early: the sweep took longer than 5m", true},
		{"two failed", []journal.SweepFinished{timedOut, lost},
			"1MB in 1 record removed by 2 sweeps; 2 ended early, the last: connection refused", true},
		{"live records", []journal.SweepFinished{{LiveRemovedRecords: 2}}, "nothing removed; 2 records removed that were not dead", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var sum tally
			for _, e := range test.sweeps {
				sum.add(e)
			}
			if got := sum.String(); got != test.want || sum.trouble() != test.trouble {
				t.Errorf("got %q (trouble: %v), want %q (%v)", got, sum.trouble(), test.want, test.trouble)
			}
		})
	}
}

func TestFrameOfSpace(t *testing.T) {
	swept := stateOf(told{0, runOf(60, 3)}, told{1, sweepDone(1, 34, 1310*mega)})
	tests := []struct {
		name  string
		state *State
		width int
		want  string
	}{
		{"wide", tight(), 100, `
stoker  500 images, 3 of 4 workers (disk was full), 0 of 2 batches done                      0:01:40
█░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   1/500   0%
1 built · 36 images/h
14.2GB reclaimed · waiting 39s for space: django__django-11099 needs 120MB · sweeping batch 2

sympy__sympy-20049  [2/5] RUN make                                                             1m39s`},
		{"narrow", tight(), 44, `
stoker  500 images, 3 of 4 workers   0:01:40
█░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   1/500   0%
1 built · 36 images/h
14.2GB reclaimed · waiting 39s for 120MB
sympy__sympy-20049  [2/5] RUN make     1m39s`},
		{"only reclaimed", swept, 44, `
stoker  60 images, 3 workers         0:01:40
░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  0/60   0%
0 built
1.31GB reclaimed`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := "\n" + trim(draw(test.state, test.width, 16)); got != test.want {
				t.Errorf("got%s\nwant%s", got, test.want)
			}
		})
	}
}

// The line about space is one at every width, and says that a job waits before
// anything else.
func TestFrameSpaceIsOneLine(t *testing.T) {
	s := tight()
	s.Apply(sec(90), waits(strings.Repeat("名", 60)+"\x1b[2J"))
	for width := 1; width <= 200; width++ {
		f := frame{State: s, now: sec(100), width: width, height: 20}
		lines := f.space()
		if len(lines) != 1 {
			t.Fatalf("at width %d: %q", width, lines)
		}
		if width >= len("waiting") && !strings.Contains(lines[0], "waiting") {
			t.Errorf("at width %d: %q", width, lines[0])
		}
	}
}

func TestFullDiskInTheHeader(t *testing.T) {
	s := stateOf(told{0, runOf(500, 4)}, told{1, journal.DiskFull{Workers: 2}})
	for width, want := range map[int]string{
		100: "2 of 4 workers (disk was full), 0 of 2 batches done",
		72:  "2 of 4 workers, 0 of 2 batches done",
		44:  "2 of 4 workers ",
	} {
		header := frame{State: s, now: sec(100), width: width}.header()
		if !strings.Contains(header, want) {
			t.Errorf("at width %d: %q has no %q", width, header, want)
		}
	}
	one := stateOf(told{0, runOf(500, 1)}, told{1, journal.DiskFull{Workers: 1}})
	if header := (frame{State: one, width: 100}).header(); !strings.Contains(header, "1 worker,") {
		t.Errorf("with one worker: %q", header)
	}
}
