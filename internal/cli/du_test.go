package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// du runs stoker du and reads what it writes; there is one node.
func (w *workbench) du(args ...string) nodeUsage {
	w.t.Helper()
	args = append([]string{"du", "--builder", w.daemon.Addr(), "--state-dir", w.path("state"), "--format", "json"}, args...)
	code, output := runStoker(w.t.Context(), args...)
	var nodes []nodeUsage
	if err := json.Unmarshal([]byte(output), &nodes); code != ExitOK || err != nil || len(nodes) != 1 {
		w.t.Fatalf("exit code %d, %v\n%s", code, err, output)
	}
	return nodes[0]
}

// addUp adds up what the tree has of its own at each place.
func addUp(list []layerUsage) (s sum) {
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
	var want sum
	for _, u := range w.diskUsage() {
		want = sum{want.Records + 1, want.Bytes + u.Size}
	}
	for name, args := range map[string][]string{"without a plan": nil, "with a plan": {"--images", w.path("bases.txt")}} {
		n := w.du(args...)
		got := addUp(n.Layers)
		for _, o := range n.Other {
			got = sum{got.Records + o.Total.Records, got.Bytes + o.Total.Bytes}
		}
		if got != want || n.Total.sum != want {
			t.Errorf("%s: the tree has %+v, its total is %+v; DiskUsage has %+v", name, got, n.Total.sum, want)
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

// exampleTree has two images on a shared layer, one of them with a step, and a
// local context.
func exampleTree(now time.Time) cache.Tree {
	image := func(ref string, bytes int64, steps int, total cache.Bytes, use cache.Use) *cache.Branch {
		return &cache.Branch{Ref: ref, Record: cache.Record{ID: ref, Size: bytes}, Steps: cache.Sum{Records: steps}, Total: total, Use: use}
	}
	a := image("r.example/a:1", 1000, 1, cache.Bytes{Dead: 2000}, cache.Use{Records: 2, InUse: 1, Last: now.Add(-3 * time.Minute)})
	b := image("r.example/b:1", 500, 0, cache.Bytes{Foreign: 500}, cache.Use{Records: 1, Last: now.Add(-2 * time.Hour)})
	env := image("r.example/b:1", 7_000, 0, cache.Bytes{Dead: 2000, Foreign: 7_500}, cache.Use{Records: 4, InUse: 1, Last: now.Add(-3 * time.Minute)})
	env.Layers = []*cache.Branch{a, b}
	os := image("r.example/b:1", 2_000_000, 0, cache.Bytes{Dead: 2000, Foreign: 2_007_500}, cache.Use{Records: 5, InUse: 1, Last: now.Add(-3 * time.Minute)})
	os.Layers = []*cache.Branch{env}
	return cache.Tree{Layers: []*cache.Branch{os}, Kinds: []*cache.Kind{{Name: cache.KindLocal, Total: cache.Bytes{Foreign: 42}, Use: cache.Use{Records: 1}}}}
}

func TestDuTable(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name  string
		table duTable
		want  string
	}{
		{"without a plan", duTable{now: now}, `
SIZE    RECORDS  IN USE  LAST USED      unix:///b.sock
2.01MB  5        1       3 minutes ago  below 2 images: 2 layers
2kB     2        1       3 minutes ago   ├─ r.example/a:1: 1 layer, 1 step
500B    1        0       2 hours ago     └─ r.example/b:1: 1 layer
42B     1        0       -              local contexts
2.01MB  6        1       3 minutes ago  total
`}, {"with a plan", duTable{now: now, plan: true}, `
SIZE    LIVE  DEAD  FOREIGN  RECORDS  IN USE  LAST USED      unix:///b.sock
2.01MB  0B    2kB   2.007MB  5        1       3 minutes ago  below 2 images: 2 layers
2kB     0B    2kB   0B       2        1       3 minutes ago   ├─ r.example/a:1: 1 layer, 1 step
500B    0B    0B    500B     1        0       2 hours ago     └─ r.example/b:1: 1 layer
42B     0B    0B    42B      1        0       -              local contexts
2.01MB  0B    2kB   2.008MB  6        1       3 minutes ago  total
`}, {"on a narrow terminal", duTable{now: now, width: 50}, `
SIZE    RECORDS  IN USE  LAST USED      unix:///b…
2.01MB  5        1       3 minutes ago  below 2 i…
2kB     2        1       3 minutes ago   ├─ r.exa…
500B    1        0       2 hours ago     └─ r.exa…
42B     1        0       -              local con…
2.01MB  6        1       3 minutes ago  total
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := tt.table.write(&out, "unix:///b.sock", exampleTree(now)); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out.String(); got != tt.want {
				t.Errorf("got%s\nwant%s", got, tt.want)
			}
		})
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

// On a narrow terminal an image's name loses its registry, not what tells it from others.
func TestShortened(t *testing.T) {
	line := "79.84MB  6  ├─ localhost:5000/swebench/django__django-10097:latest: 4 layers"
	name := strings.Index(line, "├")
	for width, want := range map[int]string{
		100: line,
		70:  "79.84MB  6  ├─ localhost:5000/swebench/django__django-10097:latest: 4…",
		50:  "79.84MB  6  ├─ …ebench/django__django-10097:latest",
		20:  "79.84MB  6  ├─ loca…",
	} {
		if got := shortened(line, name, width); got != want {
			t.Errorf("at %d: %q, want %q", width, got, want)
		}
	}
}
