package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/docker/buildx/store"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
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

// On two nodes the images of two projects are built side by side. What a project's images
// share is pulled by one of them, each keeps its own budget, and it is on record which of
// them built what.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, modest(2, 4))
	w.write("ctx/Dockerfile", ownStepOf("own", modestOwn))
	second := labtest.Buildkitd(t, w.registry)
	w.registry.Reset()
	code, out := w.build(t.Context(), "--builder", w.daemon.Addr(), "--builder", second.Addr(), "--workers", "1", "--cache-budget", "250MB", "--job-size", "45MB")
	w.checkAllBuilt(code, out, 8)
	if n := w.pulledAgain(); n > 3 { // where one was slower, the other took over the end of its project
		t.Errorf("%d layers were pulled by both nodes\n%s", n, out)
	}
	nodes := map[string]int{}
	for _, e := range w.manifest() {
		nodes[e.Node]++
	}
	if len(nodes) != 2 || nodes[w.daemon.Addr()] < 3 || nodes[second.Addr()] < 3 {
		t.Errorf("built on %v", nodes)
	}
	if peak := w.summary().Cache.PeakBytes; peak > 2*270*mb {
		t.Errorf("the caches grew to %d MB\n%s", peak/mb, out)
	}
}

// A node that dies is left out, and its jobs go to the others at no cost. One that is dead
// at the start is taken in when it answers; of which nothing is known is told of.
func TestNodeThatDies(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, modest(2, 4))
	w.write("ctx/Dockerfile", ownStepOf("own", modestOwn))
	second, third := labtest.Buildkitd(t, w.registry), labtest.Buildkitd(t, w.registry)
	if err := third.Kill(); err != nil {
		t.Fatal(err)
	}
	come := w.once("a job began", ledger.EventsFile, "job_started", 1, func() error { return third.Restart(t.Context()) })
	die := w.during(2, second.Kill)
	const untilItCame = `timeout 60 sh -c 'until grep -q recovered "$0"; do sleep 0.1; done' `
	code, out := w.build(t.Context(), "--builder", third.Addr(), "--builder", w.daemon.Addr(), "--builder", second.Addr(), "--builder", "nobody",
		"--workers", "2", "--post-build", untilItCame+w.path("out/events.jsonl"))
	if err := errors.Join(come(), die()); err != nil {
		t.Error(err)
	}
	w.checkAllBuilt(code, out, 8)
	nodes := map[string]int{}
	for _, e := range w.manifest() {
		nodes[e.Node]++
		if e.AttemptCount != 1 {
			t.Errorf("%s took %d attempts that count", e.Name, e.AttemptCount)
		}
	}
	if nodes[third.Addr()] == 0 {
		t.Errorf("the node that came late built nothing: %v\n%s", nodes, out)
	}
	lost := events[journal.BuilderLost](w, "builder_lost")
	if len(lost) < 2 || lost[0].Node != third.Addr() || lost[1].Node != second.Addr() {
		t.Errorf("lost %+v\n%s", lost, out)
	}
	if len(w.warnings("a builder is left out: --builder nobody")) != 1 {
		t.Errorf("nobody says that one could not be reached\n%s", out)
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
