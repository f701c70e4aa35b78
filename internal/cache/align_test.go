package cache

import (
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/graph"
)

// told is a job's graph as one frontend or another tells it: the same steps with
// identities that begin with mark.
func told(mark byte, base string, steps ...string) graph.Graph {
	g := graph.Upon(graph.ImageLayers{Ref: base, Digest: base, Digests: []string{base}})
	g.Vertices = g.Vertices[:1]
	for i, name := range steps {
		on := []graph.ID{g.Vertices[i].ID}
		id := graph.ID{mark, byte(i)}
		copy(id[2:], name)
		g.Vertices = append(g.Vertices, graph.Vertex{ID: id, Kind: graph.Step, Name: name, Inputs: on,
			Results: []graph.Result{{Description: name, On: on}}})
	}
	return g
}

// A build that is the same as was planned, but told otherwise, changes nothing for
// the jobs that share steps with it.
func TestLearnAligns(t *testing.T) {
	planned := func(tail string) graph.Graph { return told(1, "base", "RUN shared", tail) }
	n := NewNeeds([]Job{{Name: "a", Graph: planned("RUN a")}, {Name: "b", Graph: planned("RUN b")}})
	if n.Learn(0, told(2, "base", "RUN shared", "RUN a")) {
		t.Error("the same build, told otherwise, is news")
	}
	if !n.Learn(1, told(2, "moved", "RUN shared", "RUN b")) {
		t.Error("another base image is no news")
	}
	if n.Learn(1, planned("RUN b")); n.Learn(1, planned("RUN b")) {
		t.Error("what is known is news")
	}
	n.Finish(0)
	m := NewMemory(nil, nil, nil)
	made := time.Unix(100, 0)
	m.Made(Making{Vertex: graph.ID{2, 0, 'R', 'U', 'N', ' ', 's', 'h', 'a', 'r', 'e', 'd'}, Began: made, Done: made})
	r := Classify(View{Needs: n, Memory: m, Records: []Record{
		{ID: "base", Description: "pulled from base@base", Size: 1},
		{ID: "shared", Parents: []string{"base"}, Description: "RUN shared", Size: 1, CreatedAt: made},
	}})
	if v := r.Verdicts[1]; v.State != Live || v.Job != 1 {
		t.Errorf("the shared step is %s (%s) for job %d, want live for the other job", v.State, v.Reason, v.Job)
	}
}
