package graph

import (
	"testing"
)

// An image consists of its base's layers and one for each step that leaves a record. What
// was made upon a merge a builder does not find again.
func TestStacks(t *testing.T) {
	id := func(name string) ID { return identify("test", name) }
	step := func(name string, on ...string) Vertex {
		v := Vertex{ID: id(name), Kind: Step, Name: name}
		for _, o := range on {
			v.Inputs = append(v.Inputs, id(o))
		}
		v.Results = []Result{{Description: name, On: v.Inputs}}
		return v
	}
	layer := func(name string, on ...string) Vertex {
		v := step(name, on...)
		v.Kind, v.Results = Layer, nil
		return v
	}
	vertices := []Vertex{layer("os"), layer("env", "os"), step("tool", "os"), step("run", "env"), step("link"), step("merge", "run", "link"), step("more", "merge"),
		step("link2"), step("again", "merge", "link2")}
	for _, tt := range []struct {
		top, want string
		found     int
	}{
		{"env", "os env ", 2},
		{"run", "os env run ", 3},
		{"merge", "os env run merge ", 4},
		{"more", "os env run merge more ", 4},
		{"again", "os env run merge link2 ", 4},
	} {
		s := NewShared()
		s.Set(0, Graph{Vertices: vertices, Tops: []ID{id(tt.top)}})
		s.Set(1, Graph{})
		s.Renumber([]int{1, 0})
		stacks := s.Stacks(1)
		if len(stacks) != 1 || len(s.Stacks(0)) != 0 {
			t.Fatalf("%s: stacks %v", tt.top, stacks)
		}
		got := ""
		for _, v := range stacks[0].Layers {
			for i := range vertices {
				if vertices[i].ID == s.ID(v) {
					got += []string{"os ", "env ", "tool ", "run ", "link ", "merge ", "more ", "link2 ", "again "}[i]
				}
			}
		}
		if got != tt.want || stacks[0].Found != tt.found {
			t.Errorf("%s: layers %q, of which %d are found; want %q and %d", tt.top, got, stacks[0].Found, tt.want, tt.found)
		}
	}
}
