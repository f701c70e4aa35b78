package show

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

func brokenBuild(name string) ledger.Entry {
	text, log := brokenMake.String(), "out/logs/"+name+"/attempt-1.log"
	return ledger.Entry{Name: name, Status: ledger.Failed, Error: &text, Failure: &brokenMake, AttemptCount: 1, DurationSeconds: 2, LogPath: &log}
}

// Of equal failures the first is told of in full, and then ever fewer in short.
func TestPlainTellsEqualFailuresOnce(t *testing.T) {
	var events []told
	for i := range 300 {
		name := fmt.Sprintf("job-%d", i)
		events = append(events, told{1, journal.AttemptFailed{Job: name, Attempt: 1, Error: brokenMake.String(), Failure: &brokenMake, Retry: true, Delay: 2}},
			told{2, journal.JobFinished{Entry: brokenBuild(name)}})
	}
	got, err := plainOf(append([]told{{0, runOf(300, 4)}}, events...)...)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got, "\n"); n > 40 {
		t.Errorf("%d lines", n)
	}
	reason := "agent/Dockerfile:5: RUN make --directory /testbed all: exit code: 2: make: *** [Makefile:2: all] Error 1"
	for _, want := range []string{
		"failed    job-0  " + reason + " (2.0s, out/logs/job-0/attempt-1.log)\n           | cc -o x x.c\n           | make: *** [Makefile:2: all] Error 1\n",
		"failed    job-1  again, 2 so far: agent/Dockerfile:5: make: *** [Makefile:2: all] Error 1\n",
		"failed    job-299  again, 300 so far: ",
		"retry     job-0  attempt 1 failed: " + reason + "; next in 2s\n",
		"retry     job-1  attempt 1 failed: again, 2 so far: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout %q", got, want)
		}
	}
}

// A failure names its Dockerfile as it was given; one that jobs with Dockerfiles of
// their own share, by the name alone.
func TestFailuresNameTheirDockerfile(t *testing.T) {
	var s State
	var entries []ledger.Entry
	check := func(want string) {
		t.Helper()
		sum := ledger.Summarize(entries, len(entries), sec(0), sec(1))
		status := Status{state: &s}
		status.group(entries)
		for name, got := range map[string]string{"end": FinalText(sum, "", 0, false), "view": draw(&s, 100, 20), "status": status.Text(0, false)} {
			if !strings.Contains(got, " "+want+": make: ***") {
				t.Errorf("the %s does not name %s:\n%s", name, want, got)
			}
		}
	}
	for i, want := range []string{"tasks/0/Dockerfile:5", "Dockerfile:5", "Dockerfile:5"} {
		e, why := brokenBuild(fmt.Sprint("job-", i)), brokenMake
		why.File = fmt.Sprintf("tasks/%d/Dockerfile", i)
		e.Failure = &why
		entries = append(entries, e)
		s.Apply(sec(1), journal.JobFinished{Entry: e})
		check(want)
	}
}

// What has no line of its own is told when a batch or the run ends.
func TestPlainTellsOfAllFailures(t *testing.T) {
	events := []told{{0, runOf(9, 4)}}
	for i := range 9 {
		events = append(events, told{1, journal.JobFinished{Entry: brokenBuild(fmt.Sprint("job-", i))}})
		if i == 2 || i == 3 {
			events = append(events, told{2, journal.BatchFinished{Batch: i - 1, Failed: i + 1}})
		}
	}
	got, err := plainOf(append(events, told{3, journal.RunFinished{}})...)
	if err != nil {
		t.Fatal(err)
	}
	var counts []string
	for _, m := range regexp.MustCompile(`again, (\d+) so far|(batch|finished) `).FindAllStringSubmatch(got, -1) {
		counts = append(counts, m[1]+m[2])
	}
	if want := "[2 3 batch 4 batch 5 9 finished]"; fmt.Sprint(counts) != want {
		t.Errorf("%v, want %s\n%s", counts, want, got)
	}
}

func TestRetriesAtOnce(t *testing.T) {
	for delay, want := range map[float64]string{0.4: "; next at once", 1: "; next in 1s"} {
		if got := retryText(journal.AttemptFailed{Attempt: 1, Error: "no", Delay: delay}, 1); !strings.HasSuffix(got, want) {
			t.Errorf("after %v s: %s", delay, got)
		}
	}
}

func TestWorthALine(t *testing.T) {
	var told []int
	for n := 1; n <= 3000; n++ {
		if worthALine(n) {
			told = append(told, n)
		}
	}
	if want := "[1 2 3 5 10 20 30 50 100 200 300 500 1000 2000 3000]"; fmt.Sprint(told) != want {
		t.Errorf("%v, want %s", told, want)
	}
}

// Annotations are for people who read a log: programs get what they asked for.
func TestWhereAnnotationsGo(t *testing.T) {
	for mode, want := range map[Mode]bool{ModePlain: true, ModeJSON: false, ModeQuiet: false} {
		for _, github := range []string{"true", ""} {
			var out bytes.Buffer
			v, err := New(mode, &out, Options{Getenv: func(name string) string {
				return map[string]string{"GITHUB_ACTIONS": github, "GITHUB_WORKSPACE": "/work"}[name]
			}})
			if err != nil {
				t.Fatal(err)
			}
			v.Observe(sec(0), runOf(1, 1))
			v.Observe(sec(1), journal.RunFinished{Summary: summary()})
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(out.String(), "\n::error "); got != (want && github != "") {
				t.Errorf("%s with GITHUB_ACTIONS=%s: annotations %v", mode, github, got)
			}
		}
	}
}
