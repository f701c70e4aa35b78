package graph

import (
	"strings"
	"testing"
)

// A layer is pulled where anything reads files of it, on whatever way.
func TestUnpulled(t *testing.T) {
	id := func(name string) ID { return identify(name) }
	vertex := func(kind Kind, merge bool, name string, inputs ...string) Vertex {
		v := Vertex{ID: id(name), Kind: kind, Name: name, Merge: merge}
		for _, in := range inputs {
			v.Inputs = append(v.Inputs, id(in))
		}
		return v
	}
	base := []Vertex{vertex(Layer, false, "os"), vertex(Layer, false, "env", "os"), vertex(Step, false, "copy"), vertex(Step, true, "link", "env", "copy")}
	for _, tt := range []struct {
		name string
		more []Vertex
		top  string
		want string
	}{
		{"linked alone", nil, "link", "os env"},
		{"twice", []Vertex{vertex(Step, false, "copy2"), vertex(Step, true, "link2", "link", "copy2")}, "link2", "os env"},
		{"a step upon it", []Vertex{vertex(Step, false, "workdir", "link")}, "workdir", ""},
		{"a step in another stage", []Vertex{vertex(Step, false, "make", "env")}, "link", ""},
		{"another image that shares a layer is read", []Vertex{vertex(Layer, false, "tool", "os"), vertex(Step, false, "make", "tool")}, "link", "env"},
		{"it is copied from", []Vertex{vertex(Step, false, "take", "env"), vertex(Step, true, "link2", "link", "take")}, "link2", ""},
		{"whatever is built upon it", []Vertex{vertex(Any, false, "any", "env")}, "link", ""},
		{"the image itself", nil, "env", ""},
	} {
		g := Graph{Vertices: append(base[:len(base):len(base)], tt.more...), Tops: []ID{id(tt.top)}}
		var got []string
		for _, layer := range g.Unpulled() {
			for _, v := range g.Vertices {
				if v.ID == layer {
					got = append(got, v.Name)
				}
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: not pulled are %q, want %q", tt.name, got, tt.want)
		}
	}
}
