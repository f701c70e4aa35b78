package cli

import (
	"encoding/json"
	"testing"

	"github.com/stoker-build/stoker/internal/show"
)

// du runs stoker du and reads what it writes; there is one node.
func (w *workbench) du(args ...string) show.UsageJSON {
	w.t.Helper()
	args = append([]string{"du", "--builder", w.daemon.Addr(), "--state-dir", w.path("state"), "--format", "json"}, args...)
	code, output := runStoker(w.t.Context(), args...)
	var nodes []show.UsageJSON
	if err := json.Unmarshal([]byte(output), &nodes); code != ExitOK || err != nil || len(nodes) != 1 {
		w.t.Fatalf("exit code %d, %v\n%s", code, err, output)
	}
	return nodes[0]
}

// addUp adds up what the tree has of its own at each place.
func addUp(list []show.LayerJSON) (s show.SumJSON) {
	for _, l := range list {
		above := addUp(l.Layers)
		s.Records += 1 + l.Steps.Records + above.Records
		s.Bytes += l.Bytes + l.Steps.Bytes + above.Bytes
	}
	return s
}

func TestDuCountsEveryByte(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.buildAgents()
	var want show.SumJSON
	for _, u := range w.diskUsage() {
		want.Records, want.Bytes = want.Records+1, want.Bytes+u.Size
	}
	for name, args := range map[string][]string{"without a plan": nil, "with a plan": {"--images", w.path("bases.txt")}} {
		n := w.du(args...)
		got := addUp(n.Layers)
		for _, o := range n.Other {
			got.Records, got.Bytes = got.Records+o.Total.Records, got.Bytes+o.Total.Bytes
		}
		if got != want || n.Total.SumJSON != want {
			t.Errorf("%s: the tree has %+v, its total is %+v; DiskUsage has %+v", name, got, n.Total.SumJSON, want)
		}
		if hasStates := n.Total.States != nil; hasStates != (args != nil) {
			t.Errorf("%s: states %v", name, n.Total.States)
		}
	}
}

func TestDuStates(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	if code, out := w.build(t.Context(), "--prune", "off", "--prune-threshold", "100"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	total := w.du("--images", w.path("bases.txt")).Total
	live := *total.States
	if live.Live == 0 || live.Dead != 0 || live.Foreign == 0 || live.Live+live.Foreign != total.Bytes {
		t.Errorf("of a plan to build: %+v, total %d", live, total.Bytes)
	}
	dead := *w.du("--run", w.path("out")).Total.States
	if dead.Live != 0 || dead.Dead != live.Live || dead.Foreign != live.Foreign {
		t.Errorf("of a run that is over: %+v", dead)
	}
	mixed := *w.du("--run", w.path("out"), "--image", w.bases[0].Ref).Total.States
	if mixed.Live == 0 || mixed.Dead == 0 || mixed.Live+mixed.Dead != dead.Dead {
		t.Errorf("with one image to build again: %+v", mixed)
	}
	// What du calls dead is what prune removes.
	if p := w.pruneJSON("--run", w.path("out"), "--dry-run"); p.Remove.Bytes != dead.Dead {
		t.Errorf("prune would remove %d bytes, du calls %d dead", p.Remove.Bytes, dead.Dead)
	}
}

func TestDuUsage(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"--format", "yaml"}, {"--run", t.TempDir()}} {
		args = append([]string{"du", "--builder", "unix:///does/not/exist.sock"}, args...)
		if code, out := runStoker(t.Context(), args...); code != ExitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
}
