package show

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
)

func TestPlainRecovery(t *testing.T) {
	lost := func(job string) journal.BuilderLost {
		return journal.BuilderLost{Job: job, Attempt: 1, Error: "failed to solve: rpc error: code = Unavailable desc = error reading from server: EOF"}
	}
	back := func(job string) journal.Recovered {
		return journal.Recovered{Job: job, Attempt: 1, Mending: journal.MendBuilder}
	}
	got, err := plainOf(
		told{0, runOf(500, 8)},
		told{1, journal.AttemptStarted{Job: "a", Attempt: 1}},
		told{1, journal.AttemptStarted{Job: "b", Attempt: 1}},
		told{2, lost("a")}, told{2, lost("b")},
		told{3, journal.Warning{Message: "a sweep failed"}},
		told{4, journal.Warning{Message: "a sweep failed"}},
		told{5, back("a")}, told{5, back("b")},
		told{6, journal.Recovered{Job: "a", Attempt: 2, Mending: journal.MendOwn, Records: 3, Bytes: 12e6}},
		told{7, journal.Recovered{Job: "a", Attempt: 3, Mending: journal.MendBase, Skipped: true}},
		told{8, journal.Recovered{Job: "a", Attempt: 4, Mending: journal.MendNoCache}},
		told{9, lost("")}, told{10, back("")}, // no build runs
	)
	if err != nil {
		t.Fatal(err)
	}
	for text, times := range map[string]int{
		"lost      the builder: ":                       2,
		"back      the builder answers again":           2,
		"warning   a sweep failed":                      1,
		"removed 3 records (12MB) that may be broken":   1,
		"its cache was mended for another job just now": 1,
		"the next attempt goes without the cache":       1,
	} {
		if n := strings.Count(got, text); n != times {
			t.Errorf("%q is there %d times, want %d, in\n%s", text, n, times, got)
		}
	}
}

func TestAJobThatLostItsBuilderWaits(t *testing.T) {
	var s State
	s.Apply(sec(0), runOf(2, 1))
	s.Apply(sec(1), journal.AttemptStarted{Job: "a", Attempt: 1})
	s.Apply(sec(2), journal.BuilderLost{Job: "a", Attempt: 1})
	if got := s.running[0].doing(sec(3)); got != "waiting for the builder" {
		t.Errorf("it is %q", got)
	}
	s.Apply(sec(4), journal.AttemptStarted{Job: "a", Attempt: 2})
	if got := s.running[0].doing(sec(5)); got != "starting" {
		t.Errorf("it is %q", got)
	}
}
