package registry

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
	s := newClient(t, Options{Mirrors: map[string][]string{"registry.invalid": {mirror.host + "/some"}, origin.host: {mirror.host}}})
	for _, ref := range []string{"registry.invalid/where/mirrored:1", origin.host + "/only/here:1"} {
		got, err := s.Sizes(t.Context(), ref, "")
		if err != nil || len(got) != 2 || slices.Contains(got, 0) {
			t.Errorf("%s: sizes %v (%v)", ref, got, err)
		}
	}
}

// A registry that cannot be reached is not asked again and again.
func TestSizesOfAnUnreachableRegistry(t *testing.T) {
	h := newHub(t)
	h.answer = func(int) int { return http.StatusServiceUnavailable }
	s := newClient(t, Options{})
	for range 5 {
		if _, err := s.Sizes(t.Context(), h.host+"/a:1", ""); !errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	h.check(t, "five times", hopeless, 0, 1)
	if _, err := s.Sizes(t.Context(), h.host+"/a:1", "no/such/plat/form/x"); err == nil {
		t.Error("a platform that is none is no error")
	}
}
