package show

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
)

// Where there are several nodes, each job's is named, in whatever shows jobs.
func TestNodesOfJobs(t *testing.T) {
	run := runOf(60, 4)
	run.Nodes = []string{"tcp://east:1234", "tcp://10.1.2.3:1234"}
	state := stateOf(told{0, run},
		told{0, journal.JobStarted{Job: "django__django-11099", Node: "tcp://east:1234"}},
		told{0, journal.AttemptStarted{Job: "django__django-11099", Attempt: 2}},
		told{1, journal.StepStarted{Job: "django__django-11099", Step: "[2/5] RUN apt-get update && apt-get install -y build-essential"}},
		told{20, journal.JobStarted{Job: "sympy__sympy-20049", Node: "tcp://10.1.2.3:1234"}})
	rows := func(width int) string {
		lines := strings.Split(trim(draw(state, width, 24)), "\n")
		return strings.Join(lines[len(lines)-2:], "\n")
	}
	for width, want := range map[int]string{
		80: `django__django-11099  east      attempt 2  [2/5] RUN apt-get update && a…  1m40s
sympy__sympy-20049    10.1.2.3  checking                                   1m20s`,
		50: `django__django-11099  #2 [2/5] RUN apt-get…  1m40s
sympy__sympy-20049    checking               1m20s`,
	} {
		if got := rows(width); got != want {
			t.Errorf("%d wide\n%s\nwant\n%s", width, got, want)
		}
	}
	if got, want := state.runningText(sec(100)), "2 running: django__django-11099 1m40s on east, sympy__sympy-20049 1m20s on 10.1.2.3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if one := stateOf(told{0, runOf(60, 4)}); one.on("tcp://east:1234") != "" || state.on("tcp://east:1234") != " on east" || state.on("") != "" {
		t.Errorf("of one node it says %q, of two %q", one.on("tcp://east:1234"), state.on("tcp://east:1234"))
	}
}

// Nodes are told by what is not the same of all.
func TestWordsOfNodes(t *testing.T) {
	for _, tt := range []struct{ names, want []string }{
		{[]string{"builder0", "builder1"}, []string{"builder0", "builder1"}},
		{[]string{"tcp://10.0.3.1:1234", "tcp://10.0.4.1:1234"}, []string{"10.0.3.1", "10.0.4.1"}},
		{[]string{"tcp://buildkitd-0.pods:1234", "tcp://buildkitd-1.pods:1234", "tcp://buildkitd-10.pods:1234"}, []string{"buildkitd-0.pods", "buildkitd-1.pods", "buildkitd-10.pods"}},
		{[]string{"tcp://here:1234", "tcp://here:1235"}, []string{"here:1234", "here:1235"}},
		{[]string{"unix:///tmp/a/1/buildkitd.sock", "unix:///tmp/a/2/buildkitd.sock"}, []string{"1", "2"}},
		{[]string{"a", "aa"}, []string{"a", "aa"}},
		{[]string{"same", "same"}, []string{"same", "same"}},
		{[]string{"alone"}, []string{"alone"}},
	} {
		for i, name := range tt.names {
			if got := word(name, tt.names); got != tt.want[i] {
				t.Errorf("%q of %q is %q, want %q", name, tt.names, got, tt.want[i])
			}
		}
	}
}
