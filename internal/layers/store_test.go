package layers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

var (
	amd64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = ocispecs.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
)

func chainOf(index, manifest string, names ...string) Chain {
	c := Chain{Digest: digest.FromString(index), Manifest: digest.FromString(manifest)}
	for i, name := range names {
		c.Layers = append(c.Layers, Layer{digest.FromString(name), int64(1000 + i)})
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoreKeepsBothDigestsByPlatform(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	want := chainOf("index", "manifest", "a", "b")
	must(t, s.Put(want, amd64))
	for _, d := range []digest.Digest{want.Digest, want.Manifest} {
		if got, ok := s.Get(d, amd64); !ok || !slices.Equal(got.Layers, want.Layers) || got.Manifest != want.Manifest {
			t.Errorf("%s: %+v, %t", d, got, ok)
		}
		if got, ok := s.Get(d, arm64); ok {
			t.Errorf("%s: for another platform it is %+v", d, got)
		}
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "linux-amd64", "sha256", want.Digest.Encoded()[:2], want.Digest.Encoded()+".json")); err != nil {
		t.Errorf("a later version of the program will not find it: %v", err)
	}
	for _, d := range []digest.Digest{"", "sha256:..", "../../x", digest.FromString("never seen")} {
		if c, ok := s.Get(d, amd64); ok {
			t.Errorf("%q is %+v", d, c)
		}
	}
}

func TestStoreBelievesNoDamage(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	want := chainOf("image", "image", "a", "b")
	must(t, s.Put(want, amd64))
	file := s.file(want.Digest, amd64)
	good, err := os.ReadFile(file)
	must(t, err)
	other := digest.FromString("other").String()
	for what, bad := range map[string]string{
		"empty":          "",
		"cut":            string(good[:len(good)/2]),
		"other digest":   strings.Replace(string(good), want.Digest.String(), other, 1),
		"changed layer":  strings.Replace(string(good), want.Layers[0].Digest.String(), other, 1),
		"another format": "[]",
	} {
		must(t, os.WriteFile(file, []byte(bad), 0o644))
		if _, ok := s.Get(want.Digest, amd64); ok {
			t.Errorf("%s: the file was believed", what)
		}
		must(t, s.Put(want, amd64))
		if got, ok := s.Get(want.Digest, amd64); !ok || !slices.Equal(got.Layers, want.Layers) {
			t.Errorf("%s: the file was not mended: %+v, %t", what, got, ok)
		}
	}
}

// A config is kept for its own image and platform alone, and none is believed that was damaged.
func TestStoreKeepsConfigs(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	d, other := digest.FromString("image"), digest.FromString("other")
	must(t, s.PutConfig(d, amd64, []byte("config")))
	if got, ok := s.GetConfig(d, amd64); !ok || string(got) != "config" {
		t.Errorf("%q, %t", got, ok)
	}
	must(t, os.MkdirAll(filepath.Dir(s.configFile(other, amd64)), 0o755))
	good, err := os.ReadFile(s.configFile(d, amd64))
	must(t, err)
	must(t, os.WriteFile(s.configFile(other, amd64), good, 0o644))
	for _, d := range []digest.Digest{"", "sha256:..", other, digest.FromString("never seen")} {
		if got, ok := s.GetConfig(d, amd64); ok {
			t.Errorf("%q has the config %q", d, got)
		}
	}
	if got, ok := s.GetConfig(d, arm64); ok {
		t.Errorf("for another platform it is %q", got)
	}
	must(t, os.WriteFile(s.configFile(d, amd64), good[:len(good)/2], 0o644))
	if got, ok := s.GetConfig(d, amd64); ok {
		t.Errorf("a file that was cut is %q", got)
	}
}
