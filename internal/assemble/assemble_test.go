package assemble

import (
	"strings"
	"testing"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// pushing is a job that does nothing but to push its image, without provenance.
func pushing() *plan.Job {
	return &plan.Job{Name: "a", Tags: []string{"registry.example/a:1"}, Options: build.Options{
		Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"push": "true", "unpack": "false"}}},
		Attests: map[string]*string{"provenance": nil}}}
}

func linkedGraph() *graph.Graph {
	return &graph.Graph{Linked: &graph.Linked{Base: graph.Image{Ref: "base@sha256:1", Digest: "sha256:1"}, Steps: []graph.ID{{1}, {2}}}}
}

// What is asked of an image decides whether it is assembled, and the reason names it.
func TestKeyOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(j *plan.Job, g *graph.Graph)
		why    string
	}{
		{"a push", func(*plan.Job, *graph.Graph) {}, ""},
		{"a level of compression", func(j *plan.Job, _ *graph.Graph) { j.Options.Exports[0].Attrs["compression-level"] = "1" }, ""},
		{"no output", func(j *plan.Job, _ *graph.Graph) { j.Options.Exports = nil }, "no output is given"},
		{"a load beside it", func(j *plan.Job, _ *graph.Graph) {
			j.Options.Exports = append(j.Options.Exports, client.ExportEntry{Type: client.ExporterDocker})
		}, "type=image and type=docker"},
		{"no push", func(j *plan.Job, _ *graph.Graph) { j.Options.Exports[0].Attrs["push"] = "false" }, "more than to push"},
		{"no tag", func(j *plan.Job, _ *graph.Graph) { j.Tags = nil }, "no tag"},
		{"all layers made anew", func(j *plan.Job, _ *graph.Graph) { j.Options.Exports[0].Attrs["force-compression"] = "true" }, "force-compression=true"},
		{"a name of its own", func(j *plan.Job, _ *graph.Graph) { j.Options.Exports[0].Attrs["name"] = "x" }, "name=x"},
		{"a cache export", func(j *plan.Job, _ *graph.Graph) { j.Options.CacheTo = []client.CacheOptionsEntry{{Type: "registry"}} }, "cache is exported"},
		{"an inline cache", func(j *plan.Job, _ *graph.Graph) {
			j.Options.BuildArgs = map[string]string{"BUILDKIT_INLINE_CACHE": "1"}
		}, "cache is exported"},
		{"no cache", func(j *plan.Job, _ *graph.Graph) { j.Options.NoCache = true }, "without the cache"},
		{"a stage without it", func(j *plan.Job, _ *graph.Graph) { j.Options.NoCacheFilter = []string{"x"} }, "without the cache"},
		{"two platforms", func(j *plan.Job, _ *graph.Graph) { j.Options.Platforms = make([]ocispecs.Platform, 2) }, "several platforms"},
		{"annotations", func(j *plan.Job, _ *graph.Graph) {
			j.Options.Annotations, _ = buildflags.ParseAnnotations([]string{"a=b"})
		}, "annotated"},
		{"a link", func(j *plan.Job, _ *graph.Graph) { j.Links = map[string]*plan.Job{"x": j} }, "another target"},
		{"a software bill", func(j *plan.Job, _ *graph.Graph) { j.Options.Attests["sbom"] = new(string) }, "asked for (sbom)"},
		{"provenance", func(j *plan.Job, _ *graph.Graph) { j.Options.Attests["provenance"] = new(string) }, "asked for (provenance)"},
		{"nothing said of it", func(j *plan.Job, _ *graph.Graph) { j.Options.Attests = nil }, "--provenance=false"},
		{"its steps and more", func(j *plan.Job, g *graph.Graph) {
			j.Options.Annotations, _ = buildflags.ParseAnnotations([]string{"a=b"})
			g.Linked, g.Unlinked = nil, "it needs a file"
		}, "it is annotated; and it needs a file"},
		{"the same twice", func(j *plan.Job, g *graph.Graph) {
			j.Options.Platforms, g.Linked, g.Unlinked = make([]ocispecs.Platform, 2), nil, "it is for several platforms"
		}, "it is for several platforms"},
		{"its steps", func(_ *plan.Job, g *graph.Graph) { g.Linked, g.Unlinked = nil, "it needs a file" }, "it needs a file"},
	} {
		job, g := pushing(), linkedGraph()
		tt.change(job, g)
		key, why := KeyOf(job, g, Attests{})
		if (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) || (key == "") != (why != "") {
			t.Errorf("%s: key %q, not since %q, want %q", tt.name, key, why, tt.why)
		}
	}
	job := pushing()
	job.Options.Attests = nil
	if _, why := KeyOf(job, linkedGraph(), Attests{NoDefault: true}); why != "" {
		t.Errorf("without provenance by default: %s", why)
	}
}

// A key is equal for the same linked steps and output, whatever base and tag are.
func TestKeysTellApart(t *testing.T) {
	key := func(change func(j *plan.Job, g *graph.Graph)) Key {
		job, g := pushing(), linkedGraph()
		change(job, g)
		key, _ := KeyOf(job, g, Attests{})
		return key
	}
	first := key(func(*plan.Job, *graph.Graph) {})
	same := key(func(j *plan.Job, g *graph.Graph) {
		j.Tags[0], g.Linked.Base.Ref = "registry.example/b:1", "other@sha256:2"
	})
	if same != first {
		t.Error("another base and tag make another key")
	}
	rewritten := func(rewrite, argument, frontend string) Key {
		return key(func(j *plan.Job, g *graph.Graph) {
			j.Options.Exports[0].Attrs["rewrite-timestamp"] = rewrite
			j.Options.BuildArgs = map[string]string{epochArg: argument}
			g.Linked.Frontend.Epoch = frontend
		})
	}
	if rewritten("true", "1", "1") == rewritten("true", "2", "1") || rewritten("1", "no moment", "1") == rewritten("1", "no moment", "2") {
		t.Error("layers with the times of another epoch have the same key")
	}
	if rewritten("true", "1", "1") != rewritten("true", "1", "2") || rewritten("false", "1", "1") != rewritten("false", "2", "2") {
		t.Error("an epoch that the layers do not have makes another key")
	}
	for name, change := range map[string]func(j *plan.Job, g *graph.Graph){
		"order":       func(_ *plan.Job, g *graph.Graph) { g.Linked.Steps = []graph.ID{{2}, {1}} },
		"fewer steps": func(_ *plan.Job, g *graph.Graph) { g.Linked.Steps = g.Linked.Steps[:1] },
		"compression": func(j *plan.Job, _ *graph.Graph) { j.Options.Exports[0].Attrs["compression"] = "zstd" },
		"platform":    func(_ *plan.Job, g *graph.Graph) { g.Linked.Base.Platform = "linux/arm64" },
	} {
		if key(change) == first {
			t.Errorf("another %s makes no other key", name)
		}
	}
}
