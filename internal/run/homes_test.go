package run

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
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
