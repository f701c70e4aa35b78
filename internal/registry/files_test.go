package registry

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/layers"
)

// The files of a layer are asked of a mirror first, and once: a later run knows them.
func TestFilesAreReadOnce(t *testing.T) {
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	must(t, archive.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}))
	must(t, archive.Close())
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	must(t, err)
	img, err := mutate.AppendLayers(empty.Image, l)
	must(t, err)
	mirror, origin := newHub(t), newHub(t)
	mirror.push(t, "a:1", img)
	options := Options{Mirrors: map[string][]string{origin.host: {mirror.host}}, Files: t.TempDir(), Chains: t.TempDir()}
	layer := resolve(t, newClient(t, options), origin.host+"/a:1").Layers[0]
	origin.reset()
	for range 2 {
		files, err := newClient(t, options).Files(t.Context(), origin.host+"/a:1", layer)
		if err != nil || len(files.List) != 1 || files.List[0] != (layers.File{Path: "/tmp", Kind: layers.Directory, Mode: 0o1777}) {
			t.Errorf("%+v (%v)", files, err)
		}
	}
	origin.check(t, "the registry itself", 0, 0, 0)
	// What cannot be had is said, and not remembered as nothing.
	c := newClient(t, options)
	for want, layer := range map[error]layers.Layer{ErrTooLarge: {Digest: digest.FromString("x"), Size: mostRead + 1}, ErrNotFound: {Digest: digest.FromString("y"), Size: 1}} {
		if files, err := c.Files(t.Context(), origin.host+"/a:1", layer); !errors.Is(err, want) {
			t.Errorf("%+v (%v), want %v", files, err, want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient(t, Options{}).Files(ended, mirror.host+"/a:1", layer); err == nil {
		t.Error("it is read after the end")
	}
}
