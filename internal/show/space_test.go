package show

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
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
func tight() *state {
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

	s.apply(sec(80), journal.JobStarted{Job: "django__django-11099"})
	s.apply(sec(80), journal.WorkersChanged{Workers: 4})
	s.apply(sec(80), sweepDone(2, 1, 800*mega))
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

func TestPlainTellsOfSpace(t *testing.T) {
	cutShort := sweepDone(3, 0, 0)
	cutShort.Error = "connection\x1b[2J\nrefused"
	got, err := plainOf(
		told{0, runOf(500, 4)},
		told{10, waits("evil\r\x1b[2Jjob")},
		told{20, journal.DiskFull{Job: "evil\r\x1b[2Jjob", Attempt: 1, Error: "no space left on device", Workers: 1}},
		told{30, journal.WorkersChanged{Workers: 4}},
		told{40, sweepBegan(1)},
		told{41, sweepDone(1, 0, 0)},
		told{42, sweepDone(2, 34, 1200*mega)},
		told{43, cutShort},
		told{50, madeRoom(2, 300*mega)},
		told{51, madeRoom(0, 0)},
		told{52, sweepDone(0, 1, 5*mega)},
		told{53, journal.RunFinished{Summary: ledger.Summary{Total: 500}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := ` 0:00:00 [  0/500] run       500 images in 2 batches, 4 workers on node-a; results in stoker-out
 0:00:10 [  0/500] waiting   for space: evil job needs 120MB, 80MB free, 3 running
 0:00:20 [  0/500] disk      full during evil job; 1 worker now
 0:00:30 [  0/500] workers   4 of 4 again
 0:00:42 [  0/500] sweep     batch 2: 1.2GB in 34 records removed
 0:00:43 [  0/500] sweep     batch 3: nothing removed; ended early: connection refused
 0:00:52 [  0/500] sweep     the rest: 5MB in 1 record removed
 0:00:53 [  0/500] sweep     made room: 300MB in 2 records removed
 0:00:53 [  0/500] finished  0 built, 0 skipped, 0 failed

done: 0 of 500 images built in 0.0s
results in stoker-out
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlainNamesTheNodeOfMany(t *testing.T) {
	run := runOf(5, 1)
	run.Nodes = []string{"node-a", "node-b"}
	got, err := plainOf(told{0, run}, told{1, sweepDone(2, 1, mega)})
	if want := "sweep     batch 2 on node-a: 1MB in 1 record removed\n"; err != nil || !strings.Contains(got, want) {
		t.Errorf("got\n%s(%v), want %q", got, err, want)
	}
}

// sweepLines is the lines about sweeps, without their counts of jobs.
func sweepLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if at, rest, ok := strings.Cut(line, "] sweep     "); ok {
			lines = append(lines, strings.Fields(at)[0]+" "+strings.TrimSuffix(rest, "\n"))
		}
	}
	return lines
}

// However many sweeps make room, there is at most a line every ten seconds, and
// nothing that they removed goes untold.
func TestPlainCollapsesPressure(t *testing.T) {
	events := []told{{0, runOf(500, 4)}}
	for i := range 300 {
		events = append(events, told{5 + float64(i)/10, madeRoom(2, 10*mega)}, told{5 + float64(i)/10, madeRoom(0, 0)})
	}
	got, err := plainOf(append(events, told{100, built("a", 1)}, told{101, madeRoom(1, mega)}, told{105, journal.Stopping{Reason: "interrupted"}})...)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"0:00:15 made room: 1GB in 200 records removed by 100 sweeps",
		"0:00:25 made room: 1GB in 200 records removed by 100 sweeps",
		"0:01:40 made room: 1GB in 200 records removed by 100 sweeps",
		"0:01:45 made room: 1MB in 1 record removed",
	}
	if lines := sweepLines(got); !reflect.DeepEqual(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// When nothing else happens, the heartbeat tells what was put off.
func TestHeartbeatTellsOfSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		v, err := New(ModePlain, &out, Options{})
		if err != nil {
			t.Fatal(err)
		}
		v.Observe(time.Now(), runOf(20, 4))
		time.Sleep(50 * time.Second)
		v.Observe(time.Now(), sweepDone(1, 4, 2*giga))
		v.Observe(time.Now(), madeRoom(2, 200*mega))
		v.Observe(time.Now(), waits("evil\x1b[2J\njob"))
		time.Sleep(11 * time.Second)
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		want := ` 0:00:50 [ 0/20] sweep     batch 1: 2GB in 4 records removed
 0:00:50 [ 0/20] waiting   for space: evil job needs 120MB, 80MB free, 3 running
 0:01:00 [ 0/20] sweep     made room: 200MB in 2 records removed
 0:01:00 [ 0/20] running   0 built, 0 skipped, 0 failed; 2.2GB reclaimed; waiting for space: evil job needs 120MB; nothing is running
`
		_, got, _ := strings.Cut(out.String(), "\n")
		if got, _, _ = strings.Cut(got, "\n\n"); got+"\n" != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestFrameOfSpace(t *testing.T) {
	swept := stateOf(told{0, runOf(60, 3)}, told{1, sweepDone(1, 34, 1310*mega)})
	tests := []struct {
		name  string
		state *state
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
	s.apply(sec(90), waits(strings.Repeat("名", 60)+"\x1b[2J"))
	for width := 1; width <= 200; width++ {
		f := frame{state: s, now: sec(100), width: width, height: 20}
		lines := f.space()
		if len(lines) != 1 {
			t.Fatalf("at width %d: %q", width, lines)
		}
		if width >= len("waiting") && !strings.Contains(lines[0], "waiting") {
			t.Errorf("at width %d: %q", width, lines[0])
		}
	}
}

func sweptSummary() ledger.Summary {
	return ledger.Summary{
		Total: 500, Built: 500, WallClockSeconds: 3720, ImagesPerHour: 481, MedianSeconds: 55, MaxSeconds: 252,
		Prune: &ledger.Prune{Policy: "auto", Sweeps: 41, ReclaimedRecords: 900, ReclaimedBytes: 14 * giga,
			LeftRecords: 5, LeftBytes: 400 * mega, LiveRemovedRecords: 3,
			Failures: []string{"node-a: timeout", "node-a: deleting 4 records:\n\x1b[2Jconnection refused"}},
		Cache: &ledger.Cache{PeakBytes: 1200 * mega},
		Space: &ledger.Space{Bound: "the disk of /var/lib\x1b[2J/stoker", HighBytes: 1440 * mega, ForecastPeakBytes: 1280 * mega, PeakBytes: 1310 * mega, OtherBytes: 90 * mega},
	}
}

func TestFinalTextTellsOfSpace(t *testing.T) {
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"wide", 100, `done: 500 of 500 images built in 1h02m
  481 images/h, median build 55s, longest 4m12s
  cache: 1.2GB at its peak, 14GB reclaimed in 41 sweeps
  the disk of /var/lib/stoker: peak 1.31GB, 90MB of it not the cache, forecast 1.28GB, limit 1.44GB
! 3 records removed that were not dead
! 2 sweeps failed, 400MB in 5 dead records left
    node-a: deleting 4 records: connection refused
results in stoker-out
`},
		{"narrow", 44, `done: 500 of 500 images built in 1h02m
  481 images/h, median build 55s,
  longest 4m12s
  cache: 1.2GB at its peak,
  14GB reclaimed in 41 sweeps
  the disk of /var/lib/stoker: peak 1.31GB,
  90MB of it not the cache, forecast 1.28GB,
  limit 1.44GB
! 3 records removed that were not dead
! 2 sweeps failed,
400MB in 5 dead records left
    node-a: deleting 4 r… connection refused
results in stoker-out
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FinalText(sweptSummary(), "stoker-out", test.width, false); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestFinalTextOfSweeps(t *testing.T) {
	const head = "done: nothing was left to build\n"
	cache := &ledger.Cache{PeakBytes: giga}
	left := func(policy string, failures ...string) *ledger.Prune {
		return &ledger.Prune{Policy: policy, Sweeps: 1, LeftRecords: 1, LeftBytes: mega, Failures: failures}
	}
	const swept = "  cache: 1GB at its peak\n"
	disk := func(peak int64, waited int) *ledger.Space {
		return &ledger.Space{Bound: "the disk", PeakBytes: peak, OtherBytes: peak - mega, HighBytes: 10 * giga, Waits: waited}
	}
	tests := []struct {
		name    string
		summary ledger.Summary
		want    string
	}{
		{"no sweeps", ledger.Summary{Prune: &ledger.Prune{}, Cache: cache}, swept},
		{"a cache that nobody saw", ledger.Summary{Prune: &ledger.Prune{}, Cache: &ledger.Cache{}}, ""},
		{"a disk that is far from full", ledger.Summary{Prune: left("auto"), Cache: cache, Space: disk(8*giga-1, 0)}, swept},
		{"a disk that is nearly full", ledger.Summary{Cache: cache, Space: disk(8*giga, 0)}, swept + "  the disk: peak 8GB, 7.999GB of it not the cache, limit 10GB\n"},
		{"a job waited", ledger.Summary{Cache: cache, Space: disk(giga, 1)}, swept + "  the disk: peak 1GB, 999MB of it not the cache, limit 10GB\n"},
		{"something was swept", ledger.Summary{Prune: &ledger.Prune{Sweeps: 2, ReclaimedRecords: 1, ReclaimedBytes: mega}, Cache: cache, Space: disk(giga, 0)},
			"  cache: 1GB at its peak, 1MB reclaimed in 2 sweeps\n  the disk: peak 1GB, 999MB of it not the cache, limit 10GB\n"},
		{"auto leaves what there is space for", ledger.Summary{Prune: left("auto"), Cache: cache}, swept},
		{"completed leaves nothing", ledger.Summary{Prune: left("completed"), Cache: cache}, swept + "! 1MB in 1 dead record left\n"},
		{"failed", ledger.Summary{Prune: left("off", "no"), Cache: cache}, swept + "! 1 sweep failed, 1MB in 1 dead record left\n    no\n"},
		{"no forecast", ledger.Summary{Space: &ledger.Space{Bound: "--cache-budget", PeakBytes: giga, HighBytes: giga}},
			"  --cache-budget: peak 1GB, limit 1GB\n"},
		{"a budget that sweeps kept", ledger.Summary{Prune: &ledger.Prune{Sweeps: 1, ReclaimedRecords: 1, ReclaimedBytes: mega}, Cache: &ledger.Cache{PeakBytes: giga}, Space: &ledger.Space{Bound: "--cache-budget", PeakBytes: giga, HighBytes: 2 * giga}},
			"  cache: 1MB reclaimed in 1 sweep\n  --cache-budget: peak 1GB, limit 2GB\n"},
		{"space that nobody saw", ledger.Summary{Space: &ledger.Space{Bound: "--cache-budget", HighBytes: 2 * giga}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FinalText(test.summary, "", 0, false); got != head+test.want {
				t.Errorf("got\n%s\nwant\n%s", got, head+test.want)
			}
		})
	}
}

func TestFullDiskInTheHeader(t *testing.T) {
	s := stateOf(told{0, runOf(500, 4)}, told{1, journal.DiskFull{Workers: 2}})
	for width, want := range map[int]string{
		100: "2 of 4 workers (disk was full), 0 of 2 batches done",
		72:  "2 of 4 workers, 0 of 2 batches done",
		44:  "2 of 4 workers ",
	} {
		header := frame{state: s, now: sec(100), width: width}.header()
		if !strings.Contains(header, want) {
			t.Errorf("at width %d: %q has no %q", width, header, want)
		}
	}
	one := stateOf(told{0, runOf(500, 1)}, told{1, journal.DiskFull{Workers: 1}})
	if header := (frame{state: one, width: 100}).header(); !strings.Contains(header, "1 worker,") {
		t.Errorf("with one worker: %q", header)
	}
}
