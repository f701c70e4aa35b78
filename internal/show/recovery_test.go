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

// While a node is away the views count the nodes and workers that are there, and tell
// once that it went and that it came.
func TestNodesThatComeAndGo(t *testing.T) {
	run := journal.RunStarted{Jobs: 9, Workers: 6, Nodes: []string{"a", "b", "c"}}
	lost := func(job, node string) journal.BuilderLost {
		return journal.BuilderLost{Job: job, Node: node, Error: "EOF"}
	}
	back := func(node string) journal.Recovered {
		return journal.Recovered{Mending: journal.MendBuilder, Node: node}
	}
	for name, tt := range map[string]struct {
		events []journal.Event
		want   string
		there  int // workers
	}{
		"all":                {nil, "6 workers on 3 nodes", 6},
		"one idle":           {[]journal.Event{lost("", "b")}, "4 of 6 workers on 2 of 3 nodes, without b", 4},
		"one with two jobs":  {[]journal.Event{lost("x", "b"), lost("y", "b")}, "4 of 6 workers on 2 of 3 nodes, without b", 4},
		"of several at work": {[]journal.Event{lost("x", "b c")}, "4 of 6 workers on 2 of 3 nodes, without b", 4},
		"back":               {[]journal.Event{lost("x", "b c"), lost("", "a"), back("b"), back("a")}, "6 workers on 3 nodes", 6},
		"a full disk too":    {[]journal.Event{lost("", "b"), journal.DiskFull{Job: "x", Workers: 5}}, "3 of 6 workers (disk was full) on 2 of 3 nodes, without b", 3},
		"all lost":           {[]journal.Event{lost("", "a"), lost("", "b"), lost("", "c")}, "0 of 6 workers on 0 of 3 nodes", 0},
		"nobody's":           {[]journal.Event{lost("", "")}, "6 workers on 3 nodes", 6},
	} {
		t.Run(name, func(t *testing.T) {
			events := []told{{0, run}}
			for _, e := range tt.events {
				events = append(events, told{1, e})
			}
			s := stateOf(events...)
			if got := draw(s, 100, 10); !strings.Contains(got, tt.want) {
				t.Errorf("the terminal has no %q:\n%s", tt.want, got)
			}
			status, err := StatusOf(statusRecord(), eventLines(t, events...), sec(9))
			if got := status.Text(100, false); err != nil || !strings.Contains(strings.ReplaceAll(got, "\n", " · "), " · "+tt.want+" · ") {
				t.Errorf("the status has no %q: %v\n%s", tt.want, err, got)
			}
			if there := s.workersNow(); there != tt.there {
				t.Errorf("%d workers are there, want %d", there, tt.there)
			}
		})
	}
	got, err := plainOf(told{0, run}, told{1, lost("", "b")}, told{2, lost("x", "b c")}, told{3, back("b")}, told{4, back("b")})
	if err != nil || strings.Count(got, "lost ") != 1 || strings.Count(got, "back ") != 1 {
		t.Errorf("%v\n%s", err, got)
	}
}
