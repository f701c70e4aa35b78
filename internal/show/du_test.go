package show

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/cache"
)

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

func TestUsage(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name  string
		usage Usage
		width int
		want  string
	}{
		{"without a plan", Usage{}, 0, `
SIZE    RECORDS  IN USE  LAST USED      unix:///b.sock
2.01MB  5        1       3 minutes ago  below 2 images: 2 layers
2kB     2        1       3 minutes ago   ├─ r.example/a:1: 1 layer, 1 step
500B    1        0       2 hours ago     └─ r.example/b:1: 1 layer
42B     1        0       -              local contexts
2.01MB  6        1       3 minutes ago  total
`}, {"with a plan", Usage{Plan: true}, 0, `
SIZE    LIVE  DEAD  FOREIGN  RECORDS  IN USE  LAST USED      unix:///b.sock
2.01MB  0B    2kB   2.007MB  5        1       3 minutes ago  below 2 images: 2 layers
2kB     0B    2kB   0B       2        1       3 minutes ago   ├─ r.example/a:1: 1 layer, 1 step
500B    0B    0B    500B     1        0       2 hours ago     └─ r.example/b:1: 1 layer
42B     0B    0B    42B      1        0       -              local contexts
2.01MB  0B    2kB   2.008MB  6        1       3 minutes ago  total
`}, {"on a narrow terminal", Usage{}, 50, `
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
			tt.usage.Node, tt.usage.Tree = "unix:///b.sock", exampleTree(now)
			if err := tt.usage.Write(&out, now, tt.width); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out.String(); got != tt.want {
				t.Errorf("got%s\nwant%s", got, tt.want)
			}
		})
	}
}

// On a narrow terminal an image's name loses its registry, not what tells it from others.
func TestNamesOnNarrowTerminals(t *testing.T) {
	cells, row := "79.84MB  6  ", usageRow{lead: "├─ ", name: "localhost:5000/swebench/django__django-10097:latest: 4 layers"}
	for width, want := range map[int]string{
		0:   cells + row.lead + row.name,
		100: cells + row.lead + row.name,
		70:  "79.84MB  6  ├─ localhost:5000/swebench/django__django-10097:latest: 4…",
		50:  "79.84MB  6  ├─ …ebench/django__django-10097:latest",
		20:  "79.84MB  6  ├─ loca…",
	} {
		if got := row.beside(cells, width); got != want {
			t.Errorf("at %d: %q, want %q", width, got, want)
		}
	}
}

// Whatever the width, no line of a table is wider, and no name breaks its line.
func TestUsageFitsTheTerminal(t *testing.T) {
	now := time.Now()
	u := Usage{Node: "unix:///run/buildkit/buildkitd.sock", Tree: exampleTree(now), Plan: true}
	u.Tree.Layers[0].Layers[0].Layers[0].Ref = "registry.example/swebench\x1b[2J/sweb.eval.x86_64.django_1776_django-10097:latest\nand more"
	for _, width := range []int{1, 40, 80, 120, 160} {
		var out strings.Builder
		if err := u.Write(&out, now, width); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 6 || strings.Contains(out.String(), "\x1b") {
			t.Errorf("at %d, %d lines:\n%s", width, len(lines), &out)
		}
		for _, line := range lines {
			if got := ansi.StringWidth(line); got > width {
				t.Errorf("at %d a line is %d wide: %q", width, got, line)
			}
		}
	}
}
