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
