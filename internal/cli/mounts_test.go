package cli

import "testing"

// The layers of base images that a build had to pull are not uploaded to repositories of the
// registry that they are in, however many are built at once.
func TestPulledLayersAreMounted(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 2))
	// Mounts are asked for as BuildKit begins to export: it packs the step's layer meanwhile.
	w.write("ctx/Dockerfile", ownStepOf("own", 8*mb))
	w.registry.Reset()
	code, out := w.build(t.Context(), "--workers", "4", "--provenance=false")
	w.checkAllBuilt(code, out, 4)
	for _, b := range w.bases {
		for _, l := range b.Layers {
			if w.registry.Requests().BlobGets[l.Digest] == 0 {
				t.Errorf("the layer %s was not pulled, so that nothing was shown", l.Digest)
			}
		}
	}
	n := w.registry.Requests()
	for _, b := range w.bases {
		for place, l := range b.Layers {
			if n.BlobPuts[l.Digest] > 0 {
				t.Errorf("layer %d of %s was uploaded", place, b.Ref)
			}
		}
	}
	// Of each image the layer of its own step, and its configuration.
	if n.Uploads() != 2*4 {
		t.Errorf("%d were uploaded, %d mounted: %v", n.Uploads(), n.Mounts, n.BlobPuts)
	}
}
