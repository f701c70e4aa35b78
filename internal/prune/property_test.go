package prune

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
)

// world is what a builder holds, and what is true of it.
type world struct {
	images  []graph.ImageLayers
	records []cache.Record
	layers  map[string]string // by the ids of layers
	upon    map[string]string // the topmost layers that steps were built upon, by the ids of steps
}

// drawWorld draws images that may have layers in common and end within each other,
// pulls some of the layers of each, and builds steps upon those that are whole. What
// is of no image is added.
func drawWorld(t *rapid.T) world {
	w := world{layers: map[string]string{}, upon: map[string]string{}}
	pulledAs := map[string]string{}
	for n := range rapid.IntRange(2, 6).Draw(t, "images") {
		blobs := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y"}), 1, 3).Draw(t, "blobs")
		for i := range blobs[1:] {
			blobs[i+1] = blobs[i] + blobs[i+1] // a layer is what it is with all below it
		}
		i := image(fmt.Sprintf("r/%d:1", n), strings.Join(blobs, " "))
		w.images = append(w.images, i)
		have := blobs
		if rapid.IntRange(0, 3).Draw(t, "in part") == 0 {
			have = blobs[:rapid.IntRange(0, len(blobs)).Draw(t, "pulled")]
		}
		top := ""
		for _, layer := range have {
			if pulledAs[layer] == "" {
				pulledAs[layer] = w.add(t, pulled("", top, i))
				w.layers[pulledAs[layer]] = layer
			}
			top = pulledAs[layer]
		}
		for s := 0; len(have) == len(blobs) && s < rapid.IntRange(0, 3).Draw(t, "steps"); s++ {
			top = w.add(t, record("", top, fmt.Sprintf("mount / from exec %d of %d", s, n)))
			w.upon[top] = blobs[len(blobs)-1]
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "others") {
		w.add(t, record("", "", "local source for context"))
	}
	return w
}

func (w *world) add(t *rapid.T, r cache.Record) string {
	r.ID = fmt.Sprint("record", len(w.records))
	r.Size = rapid.Int64Range(0, 1000).Draw(t, "size")
	r.InUse = rapid.IntRange(0, 9).Draw(t, "in use") == 0
	w.records = append(w.records, r)
	return r.ID
}

// isOf tells whether a record is a layer of one of the images or a step upon one.
// Images that have all layers in common cannot be told apart.
func (w *world) isOf(id string, images []cache.Image) bool {
	return slices.ContainsFunc(images, func(i cache.Image) bool {
		layers := i.Chains[0].Digests
		return w.upon[id] == layers[len(layers)-1] || slices.Contains(layers, w.layers[id])
	})
}

// Nothing goes that is in use, needed or, unless it is allowed, somebody else's; no
// parent goes before its children; every sum is that of what it counts; and the order
// in which a builder lists its records tells nothing.
func TestPlansAreSafeAndAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		var given, needed []cache.Image
		for _, i := range named(w.images...) {
			if i.Needed = rapid.Bool().Draw(t, "needed"); i.Needed {
				needed = append(needed, i)
			}
			if i.Needed || rapid.Bool().Draw(t, "given") {
				given = append(given, i)
			}
		}
		policy := cache.Policy{LeftOver: rapid.Bool().Draw(t, "left over"), Foreign: rapid.Bool().Draw(t, "foreign")}
		plan := func() NodePlan {
			return New([]Cache{judge(rapid.Permutation(w.records).Draw(t, "records"), w.images, given...)}, policy)[0]
		}
		n := plan()
		if again := plan(); !reflect.DeepEqual(n, again) {
			t.Fatalf("the same records in another order: %+v, not %+v", again, n)
		}
		gone := map[string]bool{}
		for _, r := range n.Records {
			switch {
			case r.InUse:
				t.Fatalf("%s goes, which is in use", r.ID)
			case w.isOf(r.ID, needed):
				t.Fatalf("%s goes, which is needed", r.ID)
			case !policy.Foreign && !w.isOf(r.ID, given):
				t.Fatalf("%s goes, which is of none of the images", r.ID)
			}
			for _, child := range w.records {
				if slices.Contains(child.Parents, r.ID) && !gone[child.ID] {
					t.Fatalf("%s goes before its child %s", r.ID, child.ID)
				}
			}
			gone[r.ID] = true
		}
		checkSums(t, n)
	})
}

func checkSums(t *rapid.T, n NodePlan) {
	if got := cache.SumOf(n.Records); got != n.Remove {
		t.Fatalf("the sum of what goes is %+v, the plan says %+v", got, n.Remove)
	}
	lines := n.Others.Plus(n.Shared.Remove)
	for _, i := range n.Images {
		lines = lines.Plus(i.Remove)
		if alone := i.All.Minus(accounted(i.Share)); alone.Records < 0 || alone.Records > n.Shared.All.Records {
			t.Fatalf("what %s has to itself and shares is not what it has: %+v, shared %+v", i.Ref, i.Share, n.Shared)
		}
	}
	if lines != n.Remove {
		t.Fatalf("the lines add up to %+v, the total is %+v", lines, n.Remove)
	}
	if n.Others.Records < 0 || accounted(n.Shared) != n.Shared.All {
		t.Fatalf("others' %+v, shared %+v", n.Others, n.Shared)
	}
}

// accounted is what goes and what stays of a share.
func accounted(s cache.Share) cache.Sum {
	sum := s.Remove
	for _, k := range s.Keep {
		sum = sum.Plus(k.Sum)
	}
	return sum
}
