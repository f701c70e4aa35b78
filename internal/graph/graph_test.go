package graph

import (
	"strings"
	"testing"
)

func TestUponAndJoin(t *testing.T) {
	a := ImageLayers{Ref: "a", Digest: "sha256:a", Digests: []string{"os", "deb", "a"}, Sizes: []int64{1, 2, 3}}
	b := ImageLayers{Ref: "b", Digest: "sha256:b", Digests: []string{"os", "deb", "b"}}
	g := Upon(a, b)
	checkGraph(t, g)
	want := "layer()\nlayer(a)\nlayer(b)\nany(c)\nlayer(b)\nany(e)"
	if got := lines(g); got != want || g.Vertices[1].Size != 2 || g.Vertices[4].Size != 0 || len(g.Images) != 2 {
		t.Errorf("upon two images:\n%s\nwant:\n%s", got, want)
	}
	if by := UponLayers("a", "sha256:a", LayerIDs(a.Digests)); lines(by) != "layer()\nlayer(a)\nlayer(b)\nany(c)" || by.Vertices[3].ID != g.Vertices[3].ID {
		t.Errorf("upon layers:\n%s", lines(by))
	}
	g = Upon(a)
	g.Join(Upon(b))
	checkGraph(t, g)
	if got := lines(g); got != want || len(g.Images) != 2 {
		t.Errorf("joined:\n%s\nwant:\n%s", got, want)
	}
	if got := Upon(ImageLayers{Ref: "empty"}); len(got.Vertices) != 0 || len(got.Images) != 1 {
		t.Errorf("upon nothing: %+v", got)
	}
}

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"[stage-1 3/5] COPY a b":                   "COPY a b",
		"[linux/arm64 builder  3/12] COPY a [b] c": "COPY a [b] c",
		"mount / from exec [ -e x ] || y":          "mount / from exec [ -e x ] || y",
		"[unended":                                 "[unended",
		"":                                         "",
	} {
		if got := Normalize(in); got != want {
			t.Errorf("%q is normalized to %q, want %q", in, got, want)
		}
	}
}

func TestIDsAreReadBack(t *testing.T) {
	id := LayerIDs([]string{"a"})[0]
	if got, err := ParseID(id.String()); err != nil || got != id {
		t.Errorf("%s is read as %s: %v", id, got, err)
	}
	for _, text := range []string{"", "x", id.String() + "00", strings.Repeat("g", 32)} {
		if _, err := ParseID(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
