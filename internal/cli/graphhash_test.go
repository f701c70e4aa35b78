package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Tags by the hash of the graph change with what is built: what has not changed is skipped, wherever it is built from.
func TestTagsByGraphHash(t *testing.T) {
	w := newWorkbench(t, lab.Shape{Instances: lab.Instances(1, 3), OSBytes: 1000, EnvBytes: 1000, OwnBytes: 1000})
	list := w.read("bases.txt")
	run := func(more ...string) (counts map[ledger.Status]int, tags []string, output string) {
		t.Helper()
		_, output = w.build(t.Context(), append([]string{"-t", w.registry.Host() + "/agent/{{.Name}}:h-{{.GraphHash}}", "--fresh"}, more...)...)
		counts = map[ledger.Status]int{}
		for _, e := range w.manifest() {
			counts[e.Status]++
			tags = append(tags, e.Tags[1])
		}
		return counts, slices.Sorted(slices.Values(tags)), output
	}
	counts, first, output := run("--force") // the tag without a hash exists from the second run on
	if counts[ledger.Built] != 3 || strings.Contains(first[0], "unknown") {
		t.Fatalf("%v, tags %q:\n%s", counts, first, output)
	}
	w.write("ctx/not-read.txt", "x")
	if err := os.Rename(w.path("ctx"), w.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("elsewhere", w.path("ctx")); err != nil {
		t.Fatal(err)
	}
	if counts, tags, output := run(); counts[ledger.Skipped] != 3 || !slices.Equal(tags, first) {
		t.Errorf("with nothing changed that is read: %v, tags %q, want %q:\n%s", counts, tags, first, output)
	}
	w.write("ctx/agent.txt", "a new agent\n")
	w.write("bases.txt", list+w.registry.Host()+"/never/pushed:1\n")
	counts, tags, output := run()
	if counts[ledger.Built] != 3 || counts[ledger.Failed] != 1 || slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(first, tag) }) {
		t.Errorf("with a new agent: %v, tags %q, before %q:\n%s", counts, tags, first, output)
	}
	if !strings.Contains(output, "Dockerfile:5: FROM ${BASE_IMAGE}: the registry says that an image does not exist") {
		t.Errorf("why one cannot be built is not said:\n%s", output)
	}
	if code, output := w.build(t.Context(), "--dry-run", "-t", "r.example/{{.Name}}:{{.GraphHash}}"); code != 0 ||
		!strings.Contains(output, ":unknown-hash") || !strings.Contains(output, "# unknown-hash stands for {{.GraphHash}}") {
		t.Errorf("a dry run, with code %d:\n%s", code, output)
	}
}
