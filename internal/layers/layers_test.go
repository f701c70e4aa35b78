package layers

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	digest "github.com/opencontainers/go-digest"
)

func chainOf(blobs ...string) Chain {
	var list []Layer
	for _, b := range blobs {
		list = append(list, Layer{Digest: digest.FromString(b), Size: int64(len(b))})
	}
	d := digest.FromString("manifest")
	return NewChain("r", d, d, v1.Platform{OS: "linux", Architecture: "amd64"}, list)
}

func TestKeysIdentifyALayerAtItsPlace(t *testing.T) {
	ab, abc, ba := chainOf("a", "b"), chainOf("a", "b", "c"), chainOf("b", "a")
	if ab.Key(0) != abc.Key(0) || ab.Top() != abc.Key(1) {
		t.Error("a shared prefix has different keys")
	}
	if ab.Key(0) == ba.Key(1) || ab.Top() == ba.Top() {
		t.Error("the same layers in another order have equal keys")
	}
	if twice := chainOf("a", "a"); twice.Key(0) == twice.Key(1) {
		t.Error("a repeated layer has one key at both places")
	}
	if len(abc.Keys()) != 3 || abc.Keys()[2] != abc.Top() {
		t.Errorf("Keys = %v", abc.Keys())
	}
	if abc.Size() != 3 {
		t.Errorf("Size = %d, want 3", abc.Size())
	}
}

func TestKeyOutsideTheChainIsZero(t *testing.T) {
	c := chainOf("a")
	for _, k := range []Key{c.Key(-1), c.Key(1), chainOf().Top(), Chain{}.Top()} {
		if !k.IsZero() {
			t.Errorf("key %s, want the zero key", k)
		}
	}
	if c.Top().IsZero() {
		t.Error("a real layer has the zero key")
	}
}

func TestNormalizeAsBuildKitWritesNames(t *testing.T) {
	d := "@sha256:" + digest.FromString("x").Encoded()
	for in, want := range map[string]string{
		"debian":                      "docker.io/library/debian:latest",
		"index.docker.io/org/x:1":     "docker.io/org/x:1",
		"localhost:5000/x":            "localhost:5000/x:latest",
		"127.0.0.1:5000/multi:v1" + d: "127.0.0.1:5000/multi:v1" + d,
		"ghcr.io/a/b" + d:             "ghcr.io/a/b" + d,
	} {
		if got, err := Normalize(in); err != nil || got != want {
			t.Errorf("Normalize(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if got, err := Normalize("Upper/Case"); err == nil {
		t.Errorf("Normalize accepted a bad reference as %q", got)
	}
}
