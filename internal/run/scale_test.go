package run

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// projects is a simulation of some projects of so many jobs: all have a layer, each project
// one, and each job one of its own.
func projects(n, each, workers int, pace ledger.Pace) *simulation {
	s := &simulation{workers: workers, pace: pace, size: make([]int64, 1+n+n*each)}
	for v := range s.size {
		s.size[v] = 100 * mb
	}
	for p := range n {
		for j := range each {
			s.jobs = append(s.jobs, []int32{0, int32(1 + p), int32(1 + n + p*each + j)})
		}
	}
	return s
}

func TestScale(t *testing.T) {
	s := projects(8, 10, 2, ledger.Pace{SecondsPerJob: 60, PullBytesPerSecond: 10 * mb})
	one, two, four, many := s.run(1), s.run(2), s.run(4), s.run(80)
	if one.PullBytes != 89*100*mb || two.PullBytes != 90*100*mb || four.PullBytes != 92*100*mb {
		t.Errorf("pulled are %d, %d and %d MB: each node needs what all have, and nothing else twice", one.PullBytes/mb, two.PullBytes/mb, four.PullBytes/mb)
	}
	// Of 40 rounds of a worker each is 60 s and 10 s of pulling, besides what is pulled once.
	if one.Seconds < 40*70 || one.Seconds > 40*70+200 || two.Seconds > 0.52*one.Seconds || four.Seconds > 0.28*one.Seconds {
		t.Errorf("it takes %v s on one node, %v s on two, %v s on four", one.Seconds, two.Seconds, four.Seconds)
	}
	if many.PullBytes != 240*100*mb || many.Seconds != 60+30 {
		t.Errorf("on a node for each job it takes %v s and %d MB", many.Seconds, many.PullBytes/mb)
	}
}

// A hundred thousand workers' jobs are simulated one by one, and none is lost.
func TestScaleOfManyJobs(t *testing.T) {
	s := projects(500, 100, 4, ledger.Pace{SecondsPerJob: 1})
	for _, n := range []int{1, 7, 20} {
		got := s.run(n)
		if least := float64(50_000 / (4 * n)); got.Seconds < least || got.Seconds > 1.01*least+1 {
			t.Errorf("50,000 jobs on %d nodes take %v s, at best %v", n, got.Seconds, least)
		}
	}
}

func TestPaceOf(t *testing.T) {
	entries := []ledger.Entry{{Status: ledger.Failed, BuildSeconds: 1}}
	if p := ledger.PaceOf(entries, new(int64(1))); p != (ledger.Pace{}) {
		t.Errorf("of no job that was built: %+v", p)
	}
	for _, seconds := range []float64{10, 30, 10, 10, 50, 10} {
		entries = append(entries, ledger.Entry{Status: ledger.Built, BuildSeconds: seconds})
	}
	if p := ledger.PaceOf(entries, new(int64(600*mb))); p.SecondsPerJob != 10 || p.PullBytesPerSecond != 10*mb {
		t.Errorf("%+v", p)
	}
}

// What is told of nodes is in their order, each once, and says which pay.
func TestScalesPay(t *testing.T) {
	s := newStage(t, 2, 4, nodetest.New("one", 1500*mb))
	r := newRun(s.Options)
	tasks := r.check(t.Context())
	r.openNodes(t.Context())
	defer r.closeNodes(t.Context())
	tasks = r.survey(t.Context(), tasks)
	var text []string
	for _, s := range r.scales(tasks, []int{8, 1, 2, 2, 4}, ledger.Pace{}) {
		text = append(text, fmt.Sprintf("%d: %.0f %t", s.Nodes, s.Seconds, s.Pays))
	}
	if want := []string{"1: 4 true", "2: 2 true", "4: 1 true", "8: 1 false"}; !slices.Equal(text, want) {
		t.Errorf("%q, want %q", text, want)
	}
}
