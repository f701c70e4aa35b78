package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
)

// The example of three phases does what its page says, for instances of which one is
// wrapped once more.
func TestExampleOfThreePhases(t *testing.T) {
	example, err := filepath.Abs("../../examples/three-phases")
	if err != nil {
		t.Fatal(err)
	}
	const instances = 3
	w := newWorkbench(t, small(1, instances+1))
	dir := w.path("example")
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var rows strings.Builder
	add := func(id int, image string) {
		line, _ := json.Marshal(map[string]any{"id": fmt.Sprintf("Owner__repo-%d", id), "image": image, "wrapped": id == 0})
		rows.Write(append(line, '\n'))
		w.write("example/instances.jsonl", rows.String())
	}
	for id := range instances {
		add(id, w.bases[id].Ref)
	}
	run := func(what string, want map[ledger.Status]int) {
		t.Helper()
		code, output := w.bakeWith(t.Context(), "--rows", "instances.jsonl", "--rows-var", "instances", "--push",
			"--var", "REGISTRY="+w.registry.Host(), "--var", "BUILDER_IMAGE="+w.bases[instances].Ref, "--fresh", "--retries", "0")
		got := map[ledger.Status]int{}
		for _, e := range w.manifest() {
			got[e.Status]++
			if strings.HasPrefix(e.Name, "base-") && e.Status == ledger.Built && !strings.HasPrefix(what, "the first") {
				t.Errorf("%s: %s was built anew", what, e.Name)
			}
		}
		if !maps.Equal(got, want) || (code == ExitOK) != (want[ledger.Failed] == 0) {
			t.Errorf("%s: exit code %d, jobs %v, want %v\n%s", what, code, got, want, output)
		}
	}
	run("the first time", map[ledger.Status]int{ledger.Built: 1 + 2*instances + 1})
	run("again", map[ledger.Status]int{ledger.Skipped: 1 + 2*instances + 1})
	w.write("example/agent/src/run.sh", "echo another agent\n")
	run("a new agent", map[ledger.Status]int{ledger.Skipped: instances, ledger.Built: 1 + instances + 1})
	add(instances, w.registry.Host()+"/nowhere:1")
	w.write("example/agent/src/run.sh", "echo one more agent\n")
	run("a base that is not there", map[ledger.Status]int{ledger.Skipped: instances, ledger.Built: 1 + instances + 1, ledger.Failed: 1, ledger.SkippedDependency: 1})
}
