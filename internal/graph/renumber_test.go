package graph

import (
	"slices"
	"testing"
)

// Jobs keep their graphs and what they share when they are given other numbers.
func TestRenumber(t *testing.T) {
	s := NewShared()
	base := ImageLayers{Digests: []string{"a"}}
	for job, layers := range [][]string{{"a", "b"}, {"a"}, {"a", "c"}, {"a", "b"}} {
		base.Digests = layers
		s.Set(job, Upon(base))
	}
	order := []int{2, 0, 3, 1}
	var paths [][]int32
	for _, was := range order {
		paths = append(paths, s.Path(was))
	}
	s.Renumber(order)
	for job, want := range paths {
		if got := s.Path(job); !slices.Equal(got, want) {
			t.Errorf("job %d has %v, want %v", job, got, want)
		}
		for _, v := range s.Path(job) {
			if !slices.Contains(s.JobsOf(v), int32(job)) {
				t.Errorf("job %d is not one of vertex %d's: %v", job, v, s.JobsOf(v))
			}
		}
	}
	a, b := s.Layers(Nothing)[0], s.Layers(s.Layers(Nothing)[0])[0]
	if got := s.JobsOf(a); !slices.Equal(got, []int32{0, 1, 2, 3}) {
		t.Errorf("a is of %v", got)
	}
	if got := s.JobsOf(b); !slices.Equal(got, []int32{1, 2}) {
		t.Errorf("b is of %v", got)
	}
	// What is learned later is of the new numbers.
	base.Digests = []string{"a", "c"}
	s.Set(1, Upon(base))
	if got := s.JobsOf(b); !slices.Equal(got, []int32{2}) {
		t.Errorf("b is of %v", got)
	}
}
