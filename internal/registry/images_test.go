package registry

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// An image is put into the repositories of its tags: layers are mounted, without a byte of
// them being moved; copied where that is refused, or from another registry; and asked for
// no more where they are.
func TestPush(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		refuse func(r *http.Request) bool // what the registry is sent otherwise
		status int
		abroad bool
		copied bool
	}{
		{name: "mounted"},
		{name: "an upload begins instead", copied: true, refuse: func(r *http.Request) bool {
			r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "mount=", "unmounted=")
			return false
		}},
		{name: "mounts are forbidden", copied: true, status: http.StatusForbidden, refuse: func(r *http.Request) bool { return r.URL.Query().Has("mount") }},
		{name: "from another registry", copied: true, abroad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			from := labtest.Registry(t)
			to := from
			if tt.abroad {
				to = labtest.Registry(t)
			}
			base := labtest.Bases(t, from, lab.Shape{Instances: lab.Instances(1, 1), OSBytes: 1 << 20, EnvBytes: 64 << 10, OwnBytes: 16 << 10})[0]
			c := newClient(t, Options{})
			image, layers := copyOf(t, c, base)
			if tt.refuse != nil {
				to.Inject(lab.Fault{Kind: lab.KindUpload, Method: http.MethodPost, Match: tt.refuse, Status: tt.status})
			}
			from.Reset()
			to.Reset()
			var heard atomic.Bool
			tags := []string{to.Host() + "/a/image:1", to.Host() + "/a/image:2", to.Host() + "/b/image:1"}
			copied, err := c.Push(t.Context(), tags, image, layers, func() { heard.Store(true) })
			if err != nil {
				t.Fatal(err)
			}
			if (copied > 0) != tt.copied || !heard.Load() {
				t.Errorf("%d bytes were copied; it was heard of: %v", copied, heard.Load())
			}
			if n := to.Requests(); !tt.copied && (n.Mounts != 2*len(layers) || len(n.BlobGets) > 0) {
				t.Errorf("%d layers were mounted, and %d read", n.Mounts, len(n.BlobGets))
			}
			// One for each layer, two for the configuration; and a manifest for each tag.
			if n := to.Requests(); !tt.copied && n.ByKind[lab.KindUpload]+n.ByKind[lab.KindBlob]+n.ByKind[lab.KindManifest] != 2*(len(layers)+2)+len(tags) {
				t.Errorf("that took %v requests", n.ByKind)
			}
			for _, tag := range tags {
				read, err := c.Image(t.Context(), tag, "")
				if err != nil || string(read.Manifest) != string(image.Manifest) || string(read.Config) != string(image.Config) || read.MediaType != image.MediaType {
					t.Errorf("%s is %s, %v", tag, read.Manifest, err)
				}
			}
			if _, err := lab.Files(t.Context(), tags[2]); err != nil {
				t.Errorf("its files: %v", err)
			}
		})
	}
}

// Who pushes the same layers of another registry at once has each copied once, and mounted from
// there. Where a copy fails, the next copies; where the registry does not mount, each does.
func TestPushesAtOnceCopyALayerOnce(t *testing.T) {
	t.Parallel()
	const pushes = 4
	for _, tt := range []struct {
		name   string
		refuse func(r *http.Request, large string) bool // what the registry is sent otherwise, or answers with a failure once
		failed int
		copies int // of the large layer
	}{
		{"mounted", func(*http.Request, string) bool { return false }, 0, 1},
		{"an upload begins instead", func(r *http.Request, _ string) bool {
			r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "mount=", "unmounted=")
			return false
		}, 0, pushes},
		{"a copy fails", func(r *http.Request, large string) bool {
			return r.Method == http.MethodPut && r.URL.Query().Get("digest") == large
		}, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			from, to := labtest.Registry(t), labtest.Registry(t)
			base := labtest.Bases(t, from, lab.Shape{Instances: lab.Instances(1, 1), OSBytes: 4 << 20, EnvBytes: 64 << 10, OwnBytes: 16 << 10})[0]
			c := newClient(t, Options{})
			image, layers := copyOf(t, c, base)
			large := base.Layers[0].Digest
			to.Inject(lab.Fault{Kind: lab.KindUpload, Match: func(r *http.Request) bool { return tt.refuse(r, large) }, Status: http.StatusBadRequest, Times: 1})
			from.Inject(lab.Fault{Kind: lab.KindBlob, Digest: large, BytesPerSecond: 8 << 20}) // so that all want it at once
			from.Reset()
			var failed atomic.Int32
			var all sync.WaitGroup
			for i := range pushes {
				all.Go(func() {
					if _, err := c.Push(t.Context(), []string{fmt.Sprintf("%s/image-%d:1", to.Host(), i)}, image, layers, func() {}); err != nil {
						failed.Add(1)
					}
				})
			}
			all.Wait()
			if n := from.Requests().BlobGets[large]; n != tt.copies || int(failed.Load()) != tt.failed {
				t.Errorf("the layer was read %d times, want %d; %d pushes failed, want %d", n, tt.copies, failed.Load(), tt.failed)
			}
		})
	}
}

// A layer that was copied from another registry is mounted from there into further repositories; where it is
// not there any more, it is copied again.
func TestPushCopiesALayerOnce(t *testing.T) {
	t.Parallel()
	from, to := labtest.Registry(t), labtest.Registry(t)
	base := labtest.Bases(t, from, lab.Shape{Instances: lab.Instances(1, 1), OSBytes: 1 << 20, EnvBytes: 64 << 10, OwnBytes: 16 << 10})[0]
	c := newClient(t, Options{})
	image, layers := copyOf(t, c, base)
	push := func(repository string) (copied int64) {
		t.Helper()
		to.Reset()
		copied, err := c.Push(t.Context(), []string{to.Host() + "/" + repository + ":1"}, image, layers, func() {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lab.Files(t.Context(), to.Host()+"/"+repository+":1"); err != nil {
			t.Errorf("the files of %s: %v", repository, err)
		}
		return copied
	}
	all := push("a")
	if copied := push("b"); all == 0 || copied > 0 || to.Requests().Mounts != len(layers) {
		t.Errorf("%d bytes were copied first, and %d then, with %d mounts", all, copied, to.Requests().Mounts)
	}
	to.Inject(lab.Fault{Kind: lab.KindUpload, Method: http.MethodPost, Match: func(r *http.Request) bool {
		r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "mount=", "unmounted=")
		return false
	}})
	if copied := push("c"); copied != all {
		t.Errorf("%d of %d bytes were copied where the registry has them no more to mount", copied, all)
	}
}

// copyOf is an image with a configuration of its own on the layers of a base.
func copyOf(t *testing.T, c *Client, base lab.Base) (image assemble.Image, layers []assemble.Layer) {
	t.Helper()
	image, err := c.Image(t.Context(), base.Ref, "")
	if err != nil {
		t.Fatal(err)
	}
	was := image.ConfigDigest().String()
	image.Config = []byte(strings.Replace(string(image.Config), `"/bin/sh"`, `"/bin/ls"`, 1))
	image.Manifest = []byte(strings.Replace(string(image.Manifest), was, image.ConfigDigest().String(), 1))
	for _, l := range base.Layers {
		layers = append(layers, assemble.Layer{From: base.Ref, Descriptor: ocispecs.Descriptor{
			MediaType: ocispecs.MediaTypeImageLayerGzip, Digest: digest.Digest(l.Digest), Size: l.Size}})
	}
	return image, layers
}

// A base's manifest is asked for once, and not at all where its chain was asked for.
func TestManifestIsAskedForOnce(t *testing.T) {
	t.Parallel()
	r := labtest.Registry(t)
	base := labtest.Bases(t, r, lab.Shape{Instances: lab.Instances(1, 1), OSBytes: 1 << 10})[0]
	ref := base.Ref + "@" + base.Digest
	for _, chainFirst := range []bool{false, true} {
		c := newClient(t, Options{Chains: t.TempDir()})
		r.Reset()
		if chainFirst {
			if _, err := c.Sizes(t.Context(), ref, ""); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			manifest, err := c.Manifest(t.Context(), ref, "")
			if err != nil || digest.FromBytes(manifest).String() != base.Digest {
				t.Fatalf("%s, %v", manifest, err)
			}
		}
		if gets := r.Requests().ManifestGets; len(gets) != 1 || gets[strings.TrimPrefix(strings.TrimSuffix(ref, "@"+base.Digest), r.Host()+"/")] > 1 {
			t.Errorf("with the chain first %v, manifests were asked for %v", chainFirst, gets)
		}
	}
}

// What is gone is told as such, and a registry that sends nothing is not waited for.
func TestPushFails(t *testing.T) {
	t.Parallel()
	r := labtest.Registry(t)
	base := labtest.Bases(t, r, lab.Shape{Instances: lab.Instances(1, 1), OSBytes: 1 << 10})[0]
	c := newClient(t, Options{})
	image, layers := copyOf(t, c, base)
	gone := layers[0]
	gone.Digest = digest.FromString("gone")
	if _, err := c.Push(t.Context(), []string{r.Host() + "/a/image:1"}, image, []assemble.Layer{gone}, func() {}); statusCode(err) != http.StatusNotFound {
		t.Errorf("a layer that is gone: %v", err)
	}
	if _, err := c.Push(t.Context(), []string{"NOT A REFERENCE"}, image, nil, func() {}); err == nil {
		t.Error("a tag that is none is pushed to")
	}
	c.patience = 100 * time.Millisecond
	r.Inject(lab.Fault{Kind: lab.KindManifest, Method: http.MethodPut, Delay: 4 * c.patience})
	if _, err := c.Push(t.Context(), []string{r.Host() + "/a/image:1"}, image, layers, func() {}); err == nil {
		t.Error("a registry that does not answer is waited for")
	}
}

// A base image's layers are mounted into repositories of its registry, each once; a registry that
// does not do that is asked for one.
func TestMountBase(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		from, abroad := labtest.Registry(t), labtest.Registry(t)
		base := labtest.Bases(t, from, lab.Shape{Instances: lab.Instances(1, 1), OSBytes: 1 << 20, EnvBytes: 64 << 10, OwnBytes: 16 << 10})[0]
		c := newClient(t, Options{})
		if refuses {
			from.Inject(lab.Fault{Kind: lab.KindUpload, Method: http.MethodPost, Match: func(r *http.Request) bool {
				r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "mount=", "unmounted=")
				return false
			}})
		}
		from.Reset()
		abroad.Reset()
		tags := []string{from.Host() + "/a/image:1", from.Host() + "/a/image:2", from.Host() + "/b/image:1", base.Ref, abroad.Host() + "/a/image:1"}
		for range 2 {
			c.MountBase(t.Context(), tags, base.Ref, "")
		}
		n, want := from.Requests(), 2*len(base.Layers)
		if !refuses && (n.Mounts != want || n.ByKind[lab.KindUpload] != want || n.Uploads() > 0) {
			t.Errorf("%d of %d layers were mounted, by %v", n.Mounts, want, n.ByKind)
		}
		if most := len(base.Layers); refuses && (n.Mounts > 0 || n.Uploads() > 0 || n.ByKind[lab.KindUpload] == 0 || n.ByKind[lab.KindUpload] > 2*most) {
			t.Errorf("a registry that mounts nothing was asked %v", n.ByKind)
		}
		if n := abroad.Requests(); n.Total > 0 {
			t.Errorf("another registry was asked %v", n.ByKind)
		}
	}
}

// A registry that has mounted layers is asked for those of others also after it did not mount one.
func TestMountBaseAfterARefusal(t *testing.T) {
	t.Parallel()
	at := labtest.Registry(t)
	bases := labtest.Bases(t, at, lab.Shape{Instances: lab.Instances(3, 1), OSBytes: 1 << 20, EnvBytes: 64 << 10, OwnBytes: 16 << 10})
	c := newClient(t, Options{})
	mountsOf := func(base lab.Base) int {
		at.Reset()
		c.MountBase(t.Context(), []string{at.Host() + "/a/" + base.Layers[len(base.Layers)-1].Digest[7:19] + ":1"}, base.Ref, "")
		return at.Requests().Mounts
	}
	if n := mountsOf(bases[0]); n != len(bases[0].Layers) {
		t.Fatalf("%d were mounted", n)
	}
	remove := at.Inject(lab.Fault{Kind: lab.KindUpload, Method: http.MethodPost, Match: func(r *http.Request) bool {
		r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "mount=", "unmounted=")
		return false
	}})
	if n := mountsOf(bases[1]); n != 0 {
		t.Fatalf("%d were mounted that should not be", n)
	}
	remove()
	if n := mountsOf(bases[2]); n != len(bases[2].Layers) {
		t.Errorf("%d of the third were mounted", n)
	}
}
