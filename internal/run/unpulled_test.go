package run

import (
	"testing"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// The base of a linked image is pulled all the same where the image goes elsewhere, or
// something else is made of it.
func TestUnpulled(t *testing.T) {
	base := graph.ImageLayers{Ref: "r.example/base:1", Digest: "sha256:1", Digests: []string{"os", "env"}}
	g := graph.Upon(base)
	top := g.Images[0].Layers[1]
	g = graph.Graph{Images: g.Images, Vertices: append(g.Vertices[:2:2], graph.Vertex{ID: graph.ID{1}, Kind: graph.Step, Merge: true, Inputs: []graph.ID{top}})}
	push := client.ExportEntry{Type: "image", Attrs: map[string]string{"push": "true"}}
	for _, tt := range []struct {
		name string
		job  plan.Job
		want int
	}{
		{"pushed beside its base", plan.Job{Tags: []string{"r.example/agent:1"}, Options: build.Options{Exports: []client.ExportEntry{push}}}, 2},
		{"pushed to another registry, too", plan.Job{Tags: []string{"r.example/agent:1", "s.example/agent:1"}, Options: build.Options{Exports: []client.ExportEntry{push}}}, 0},
		{"loaded, too", plan.Job{Tags: []string{"r.example/agent:1"}, Options: build.Options{Exports: []client.ExportEntry{push, {Type: "docker"}}}}, 0},
		{"with an SBOM", plan.Job{Tags: []string{"r.example/agent:1"}, Options: build.Options{Exports: []client.ExportEntry{push}, Attests: map[string]*string{"sbom": new("type=sbom")}}}, 0},
		{"with its cache", plan.Job{Tags: []string{"r.example/agent:1"}, Options: build.Options{Exports: []client.ExportEntry{push}, CacheTo: []client.CacheOptionsEntry{{}}}}, 0},
	} {
		if got := len(unpulled(&tt.job, &g)); got != tt.want {
			t.Errorf("%s: %d layers are not pulled, want %d", tt.name, got, tt.want)
		}
	}
}
