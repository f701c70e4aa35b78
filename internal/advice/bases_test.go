package advice

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/graph"
)

const mb = 1 << 20

// baseOf is an image of layers such as "os 30", of so many MB each, or "env-a 100.2".
func baseOf(ref string, layers ...string) graph.Base {
	b := graph.Base{Ref: ref, Jobs: []string{"job-" + ref}}
	var digests []string
	for _, text := range layers {
		var name string
		var size float64
		if _, err := fmt.Sscan(text, &name, &size); err != nil {
			panic(err)
		}
		digests = append(digests, name)
		b.Layers = append(b.Layers, graph.BaseLayer{Size: int64(size * mb)})
	}
	for i, id := range graph.LayerIDs(digests) {
		b.Layers[i].ID, b.Layers[i].Content = id, graph.LayerIDs(digests[i : i+1])[0]
	}
	return b
}

func TestNearlySharedBases(t *testing.T) {
	for name, tt := range map[string]struct {
		bases []graph.Base
		bytes int64  // 0: nothing is said
		jobs  string // of those that have it
		says  string
	}{
		"made anew for each": {[]graph.Base{baseOf("a", "os 30", "env-a 100", "own-a 3"), baseOf("b", "os 30", "env-b 100.1", "own-b 7"), baseOf("c", "os 30", "env-c 100", "own-c 20")},
			200 * mb, "job-a job-b job-c", "3 base images have layers of about the same size and other contents, such as a and c in layer 2 of 3 ("},
		"what is the same upon others is not pulled again": {[]graph.Base{baseOf("a", "os-a 80", "env 100"), baseOf("b", "os-b 80", "env 100")}, 80 * mb, "job-a job-b", "in layer 1 of 2"},
		"the same":        {[]graph.Base{baseOf("a", "os 30", "env 100"), baseOf("b", "os 30", "env 100", "own 80"), baseOf("c", "os 30", "env 100", "other 60")}, 0, "", ""},
		"all different":   {[]graph.Base{baseOf("a", "os 30", "env-a 100"), baseOf("b", "os 30", "env-b 120"), baseOf("c", "os 40", "env-c 100")}, 0, "", ""},
		"little of all":   {[]graph.Base{baseOf("a", "os 30", "env-a 100", "own-a 900"), baseOf("b", "os 30", "env-b 100", "own-b 700")}, 0, "", ""},
		"little":          {[]graph.Base{baseOf("a", "os 3", "env-a 10"), baseOf("b", "os 3", "env-b 10")}, 0, "", ""},
		"sizes not known": {[]graph.Base{baseOf("a", "os 0", "env-a 0"), baseOf("b", "os 0", "env-b 0")}, 0, "", ""},
		"two kinds": {[]graph.Base{baseOf("a", "os 30", "env-a 100"), baseOf("b", "os 30", "env-b 100"), baseOf("x", "os 30", "env-x 300"), baseOf("y", "os 30", "env-y 300"), baseOf("z", "alone 50")},
			400 * mb, "job-a job-b job-x job-y", "4 base images have layers of about the same size and other contents, such as x and y in layer 2 of 2 ("},
		"none": {nil, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // in any order
				found := Given{Bases: tt.bases}.nearlyShared()
				slices.Reverse(tt.bases)
				if tt.bytes == 0 {
					if len(found) > 0 {
						t.Errorf("%+v", found)
					}
					continue
				}
				if len(found) != 1 || strings.Join(found[0].Jobs, " ") != tt.jobs || !found[0].AtMost {
					t.Fatalf("%+v", found)
				}
				if got := *found[0].Bytes; got < tt.bytes || got > tt.bytes+mb {
					t.Errorf("%d MB, want %d", got/mb, tt.bytes/mb)
				}
				if text := found[0].Text; !strings.Contains(text, tt.says) {
					t.Errorf("%s", text)
				}
			}
		})
	}
}
