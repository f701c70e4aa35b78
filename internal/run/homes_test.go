package run

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

func TestCuts(t *testing.T) {
	// Ten jobs of three projects: of the first four, then four, then two.
	projects := func(i int) int64 {
		if i == 4 || i == 8 {
			return 1
		}
		return 100
	}
	same := func(int) int64 { return 7 }
	for _, tt := range []struct {
		n      int
		parts  []int
		shared func(int) int64
		want   []int
	}{
		{10, []int{1, 1}, projects, []int{4, 10}},
		{10, []int{1, 1}, same, []int{5, 10}},
		{10, []int{4, 1}, projects, []int{8, 10}},
		{10, []int{1}, projects, []int{10}},
		{3, []int{1, 1, 1, 1}, same, []int{0, 1, 2, 3}},
		{1, []int{2, 2}, same, []int{0, 1}},
		{0, []int{1, 1}, same, []int{0, 0}},
	} {
		if got := cuts(tt.n, tt.parts, tt.shared); !slices.Equal(got, tt.want) {
			t.Errorf("%d things for %v: %v, want %v", tt.n, tt.parts, got, tt.want)
		}
	}
}

// A cut costs what has to be pulled again: what is before it and behind it, however far
// away, and what the other node has; nothing of what the one has that takes over.
func TestCutAgain(t *testing.T) {
	paths := [][]int32{{0, 1}, {0, 2}, {0, 1}, {0, 3}}
	has := func(those ...int32) func(int32) bool {
		return func(v int32) bool { return slices.Contains(those, v) }
	}
	weigh := func(v int32) int64 { return []int64{1000, 100, 10, 1}[v] }
	for _, tt := range []struct {
		theirs, ours func(int32) bool
		want         []int64
	}{
		{has(), has(), []int64{0, 1100, 1100, 1000, 0}},
		{has(), has(0), []int64{0, 100, 100, 0, 0}},
		{has(0, 2), has(), []int64{1010, 1110, 1100, 1000, 0}},
		{has(0, 1, 3), has(0, 3), []int64{100, 100, 100, 0, 0}},
	} {
		if got := cutAgain(paths, tt.theirs, tt.ours, weigh); !slices.Equal(got, tt.want) {
			t.Errorf("%v, want %v", got, tt.want)
		}
	}
}

// What no node holds goes to those that have the least to build.
func TestLacks(t *testing.T) {
	for _, tt := range []struct {
		settled, workers []int
		more             int
		want             []int
	}{
		{[]int{0, 0}, []int{2, 2}, 10, []int{5, 10}},
		{[]int{30, 0}, []int{2, 2}, 10, []int{0, 10}},
		{[]int{6, 2}, []int{1, 1}, 8, []int{2, 8}},
		{[]int{0, 0, 9}, []int{1, 2, 1}, 9, []int{3, 9, 9}},
		{[]int{3, 3}, []int{1, 1}, 0, []int{0, 0}},
	} {
		if got := cuts(tt.more, lacks(tt.settled, tt.workers, tt.more), func(int) int64 { return 1 }); !slices.Equal(got, tt.want) {
			t.Errorf("%d more for %v: cut at %v, want %v", tt.more, tt.settled, got, tt.want)
		}
	}
}

// Stretches follow each other, have all things, and are about as long as they should be.
func TestCutsOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "things")
		parts := rapid.SliceOfN(rapid.IntRange(1, 8), 1, 6).Draw(t, "parts")
		shares := rapid.SliceOfN(rapid.Int64Range(0, 3), n+1, n+1).Draw(t, "shared")
		ends := cuts(n, parts, func(i int) int64 {
			if i < 1 || i >= n {
				t.Fatalf("what is shared before %d of %d?", i, n)
			}
			return shares[i]
		})
		all, done := 0, 0
		for _, p := range parts {
			all += p
		}
		if len(ends) != len(parts) || !slices.IsSorted(ends) || ends[len(ends)-1] != n {
			t.Fatal(fmt.Sprint(ends))
		}
		for i, p := range parts {
			done += p
			if exact := n * done / all; ends[i] < exact-n/4-1 || ends[i] > exact+n/4+1 {
				t.Fatalf("cut at %v, where %d would be exact", ends, exact)
			}
		}
	})
}

// The node that is taken over from is the one with the most left for each worker.
func TestLongest(t *testing.T) {
	for _, tt := range []struct {
		left, workers []int
		want          int
	}{
		{[]int{0, 0}, []int{2, 2}, -1},
		{[]int{3, 4}, []int{2, 2}, 1},
		{[]int{3, 4}, []int{1, 2}, 0},
		{[]int{4, 4}, []int{2, 2}, 0},
	} {
		if got := longest(len(tt.left), func(i int) (jobs, workers int) { return tt.left[i], tt.workers[i] }); got != tt.want {
			t.Errorf("%v jobs for %v workers: node %d, want %d", tt.left, tt.workers, got, tt.want)
		}
	}
}

// warm has a daemon hold what the jobs of some projects share, from an earlier run.
func warm(t *testing.T, d *nodetest.Daemon, projects ...int) {
	t.Helper()
	s := newStage(t, 0, 0, d)
	s.Prune.Policy, s.Prune.Threshold = node.PruneOff, 100
	for _, i := range projects {
		s.Plan.Jobs = append(s.Plan.Jobs, nodetest.Job(fmt.Sprint("earlier-", i), fmt.Sprintf("os/project%d/image%d-0", i, i)))
	}
	s.allBuilt(s.run(t.Context()), 1)
}

// startedOn tells on which node the jobs of a project were begun, and how many.
func (s *stage) startedOn(project int) map[string]int {
	nodes := map[string]int{}
	for _, e := range of[journal.JobStarted](s) {
		if strings.HasPrefix(e.Job, fmt.Sprintf("job-%d-", project)) {
			nodes[e.Node]++
		}
	}
	return nodes
}

// A node that takes over takes first of what it holds more than the other.
func TestNodeTakesOverWhatItHolds(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		one, two := nodetest.New("one", 5000*mb), nodetest.New("two", 5000*mb)
		warm(t, two, 1)
		s := newStage(t, 4, 10, one, two)
		s.comesLate(15*time.Second, nil)
		s.allBuilt(s.run(t.Context()), 1)
		if on := s.startedOn(1); on["two"] != 10 {
			t.Errorf("of the project that two held, jobs were begun on %v, want all on two", on)
		}
	})
}
