package layers

import (
	"errors"
	"net/http"
	"slices"
	"testing"
)

// Sizes are asked of a mirror first, and of the registry itself where the mirror
// does not know.
func TestSizesThroughAMirror(t *testing.T) {
	mirror, origin := newHub(t), newHub(t)
	img := image(t, 2)
	mirror.push(t, "some/where/mirrored:1", img)
	origin.push(t, "only/here:1", img)
	s := NewSizes(Options{Tries: 1, Mirrors: map[string][]string{"registry.invalid": {mirror.host + "/some"}, origin.host: {mirror.host}}})
	for _, ref := range []string{"registry.invalid/where/mirrored:1", origin.host + "/only/here:1"} {
		got, err := s.Of(t.Context(), ref, "")
		if err != nil || len(got) != 2 || slices.Contains(got, 0) {
			t.Errorf("%s: sizes %v (%v)", ref, got, err)
		}
	}
}

// A registry that cannot be reached is not asked again and again.
func TestSizesOfAnUnreachableRegistry(t *testing.T) {
	h := newHub(t)
	h.answer = func(int) int { return http.StatusServiceUnavailable }
	s := NewSizes(Options{Tries: 1})
	for range 5 {
		if _, err := s.Of(t.Context(), h.host+"/a:1", ""); !errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	if m, _ := h.counts(); m != hopeless {
		t.Errorf("%d requests, want %d", m, hopeless)
	}
	if _, err := s.Of(t.Context(), h.host+"/a:1", "no/such/plat/form/x"); err == nil {
		t.Error("a platform that is none is no error")
	}
}
