package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/docker/buildx/store"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// nodes makes a builder of several nodes known to buildx under a name.
func (w *workbench) nodes(name string, nodes ...store.Node) {
	w.t.Helper()
	w.t.Setenv("BUILDX_CONFIG", w.path("buildx"))
	data, err := json.Marshal(store.NodeGroup{Name: name, Driver: "remote", Nodes: nodes})
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("buildx/instances/"+name, string(data))
}

func nodeOf(name string, daemon *lab.Buildkitd, architectures ...string) store.Node {
	n := store.Node{Name: name, Endpoint: daemon.Addr()}
	for _, a := range architectures {
		n.Platforms = append(n.Platforms, ocispecs.Platform{OS: "linux", Architecture: a})
	}
	return n
}

// With a second node that builds nothing, the budget is kept as with one: what the
// first node has stays known.
func TestSecondNodeBuildsNothing(t *testing.T) {
	w := newWorkbench(t, modest(1, 5))
	w.write("ctx/Dockerfile", ownStepOf("own", modestOwn))
	idle := labtest.Buildkitd(t, w.registry)
	w.nodes("two", nodeOf("first", w.daemon), nodeOf("second", idle))
	w.registry.Reset()
	code, out := w.build(t.Context(), "--builder", "two", "--workers", "2", "--cache-budget", "250MB", "--job-size", "45MB")
	w.checkAllBuilt(code, out, 5)
	w.checkPulledOnce()
	if peak := w.summary().Cache.PeakBytes; peak > 270*mb {
		t.Errorf("the cache grew to %d MB\n%s", peak/mb, out)
	}
	if tight := w.warnings("may not fit"); len(tight) > 0 {
		t.Errorf("warnings %v", tight)
	}
}

// Each node builds one platform: both are swept, and it is on record which of them
// built what.
func TestNodesOfTwoPlatforms(t *testing.T) {
	w := newWorkbench(t, small(1, 1))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY agent.txt /agent.txt\nWORKDIR /work\n")
	arm := labtest.Buildkitd(t, w.registry)
	w.nodes("mixed", nodeOf("amd", w.daemon, "amd64"), nodeOf("arm", arm, "arm64"))
	var refs []string
	for i := range 3 {
		layers := []int64{100_000, int64(200_000 + i)}
		refs = append(refs, labtest.Index(t, w.registry, fmt.Sprintf("example/index-%d:1", i),
			lab.Image{Platform: "linux/amd64", LayerBytes: layers}, lab.Image{Platform: "linux/arm64", LayerBytes: layers}).Ref)
	}
	w.list(refs...)
	first := w.daemon
	for platform, node := range map[string]string{"linux/arm64": "arm", "linux/amd64,linux/arm64": "amd arm", "linux/amd64": "amd"} {
		t.Run(platform, func(t *testing.T) {
			code, out := w.build(t.Context(), "--builder", "mixed", "--platform", platform, "--force", "--prune", "completed", "--batch-size", "1", "--workers", "1")
			w.checkAllBuilt(code, out, 3)
			for _, w.daemon = range []*lab.Buildkitd{first, arm} {
				w.checkLeft(0)
			}
			for _, e := range w.manifest() {
				if e.Node != node {
					t.Errorf("%s was built by %q, want %q", e.Name, e.Node, node)
				}
			}
			swept := map[string]int64{}
			for _, s := range events[journal.SweepFinished](w, "sweep_finished") {
				swept[s.Node] += s.ReclaimedBytes
			}
			for _, n := range []string{"amd", "arm"} {
				if (swept[n] > 1_000_000) != strings.Contains(node, n) {
					t.Errorf("on %s %d bytes were removed", n, swept[n])
				}
			}
		})
	}
}
