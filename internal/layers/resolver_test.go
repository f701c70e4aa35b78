package layers

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	digest "github.com/opencontainers/go-digest"
)

// hub is an in-process registry that counts requests and can fail.
type hub struct {
	host string

	mu        sync.Mutex
	manifests int // GETs of manifests
	others    []string
	answer    func(n int) int // status for the n-th GET of a manifest, 0 to let it pass
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := h.note(r); status != 0 {
			w.WriteHeader(status)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	h.host = strings.TrimPrefix(srv.URL, "http://")
	return h
}

func (h *hub) note(r *http.Request) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/manifests/") {
		h.others = append(h.others, r.Method+" "+r.URL.Path)
		return 0
	}
	h.manifests++
	if h.answer == nil {
		return 0
	}
	return h.answer(h.manifests)
}

// reset forgets the requests so far, such as those of pushing.
func (h *hub) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.manifests, h.others = 0, nil
}

func (h *hub) counts() (manifests, others int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.manifests, len(h.others)
}

func (h *hub) push(t *testing.T, ref string, img v1.Image) string {
	t.Helper()
	r, err := name.ParseReference(h.host + "/" + ref)
	must(t, err)
	must(t, remote.Write(r, img))
	h.reset()
	return r.Name()
}

func (h *hub) pushIndex(t *testing.T, ref string, idx v1.ImageIndex) string {
	t.Helper()
	r, err := name.ParseReference(h.host + "/" + ref)
	must(t, err)
	must(t, remote.WriteIndex(r, idx))
	h.reset()
	return r.Name()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func image(t *testing.T, layers int64) v1.Image {
	t.Helper()
	img, err := random.Image(64, layers)
	must(t, err)
	return img
}

func index(images map[string]v1.Image) v1.ImageIndex {
	idx := v1.ImageIndex(empty.Index)
	for platform, img := range images {
		p, _ := v1.ParsePlatform(platform)
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}})
	}
	return idx
}

func digestOf(t *testing.T, x interface{ Digest() (v1.Hash, error) }) digest.Digest {
	t.Helper()
	d, err := x.Digest()
	must(t, err)
	return digest.Digest(d.String())
}

func resolver(dir string) *Resolver {
	return NewResolver(Options{Dir: dir, Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Delay: time.Microsecond, Tries: 3})
}

func resolve(t *testing.T, r *Resolver, ref string) Chain {
	t.Helper()
	c, err := r.Resolve(t.Context(), ref)
	must(t, err)
	return c
}

func TestPlainManifestCostsOneRequest(t *testing.T) {
	h := newHub(t)
	img := image(t, 3)
	ref := h.push(t, "env:v1", img)

	r := resolver(t.TempDir())
	c := resolve(t, r, ref)
	resolve(t, r, ref)

	if m, o := h.counts(); m != 1 || o != 1 {
		t.Errorf("%d requests for manifests and %d others, want 1 and 1 (the ping)", m, o)
	}
	if d := digestOf(t, img); c.Digest != d || c.Manifest != d || c.Ref != ref {
		t.Errorf("chain of %s is %s, %s; want %s", c.Ref, c.Digest, c.Manifest, d)
	}
	list, err := img.Layers()
	must(t, err)
	for i, l := range list {
		size, _ := l.Size()
		hash, _ := l.Digest()
		if c.Layers[i].Digest.String() != hash.String() || c.Layers[i].Size != size {
			t.Errorf("layer %d = %+v, want %s with %d bytes", i, c.Layers[i], hash, size)
		}
	}
}

func TestManyRepositoriesShareOnePing(t *testing.T) {
	h := newHub(t)
	refs := []string{h.push(t, "a", image(t, 1)), h.push(t, "b", image(t, 1)), h.push(t, "c", image(t, 1))}
	r := resolver("")
	for _, ref := range refs {
		resolve(t, r, ref)
	}
	if m, o := h.counts(); m != 3 || o != 1 {
		t.Errorf("%d requests for manifests and %d others, want 3 and 1", m, o)
	}
}

func TestIndexKeepsBothDigests(t *testing.T) {
	h := newHub(t)
	amd, arm := image(t, 2), image(t, 3)
	idx := index(map[string]v1.Image{"linux/arm64": arm, "linux/amd64": amd, "unknown/unknown": image(t, 1)})
	ref := h.pushIndex(t, "multi:v1", idx)

	dir := t.TempDir()
	r := resolver(dir)
	c := resolve(t, r, ref)
	if m, _ := h.counts(); m != 2 {
		t.Errorf("%d requests, want 2", m)
	}
	if c.Digest != digestOf(t, idx) || c.Manifest != digestOf(t, amd) || len(c.Layers) != 2 {
		t.Errorf("chain = %+v, want the index's and the amd64 manifest's digest", c)
	}
	for _, d := range []digest.Digest{c.Digest, c.Manifest} {
		if known, ok := r.Lookup(d); !ok || !slices.Equal(known.Layers, c.Layers) {
			t.Errorf("Lookup(%s) = %+v, %t", d, known, ok)
		}
	}
	other := NewResolver(Options{Dir: dir, Platform: v1.Platform{OS: "linux", Architecture: "arm64"}})
	if c := resolve(t, other, ref); len(c.Layers) != 3 {
		t.Errorf("arm64 got %d layers, want 3", len(c.Layers))
	}
}

func TestSecondRunAsksLess(t *testing.T) {
	h := newHub(t)
	plain, tagged := image(t, 1), index(map[string]v1.Image{"linux/amd64": image(t, 2)})
	byDigest := h.push(t, "plain", plain) + "@" + digestOf(t, plain).String()
	byTag := h.pushIndex(t, "multi:v1", tagged)
	dir := t.TempDir()
	first := resolver(dir)
	want := []Chain{resolve(t, first, byDigest), resolve(t, first, byTag)}

	for _, test := range []struct {
		ref  string
		want Chain
		gets int
	}{{byDigest, want[0], 0}, {byTag, want[1], 1}} {
		h.reset()
		got := resolve(t, resolver(dir), test.ref)
		if m, _ := h.counts(); m != test.gets {
			t.Errorf("%s: %d requests, want %d", test.ref, m, test.gets)
		}
		if !slices.Equal(got.Layers, test.want.Layers) || got.Digest != test.want.Digest || got.Ref != test.want.Ref {
			t.Errorf("%s: chain = %+v, want %+v", test.ref, got, test.want)
		}
	}
}

func TestTagIsNotKeptBeyondTheRun(t *testing.T) {
	h := newHub(t)
	dir := t.TempDir()
	ref := h.push(t, "env:v1", image(t, 1))
	old := resolve(t, resolver(dir), ref)
	h.push(t, "env:v1", image(t, 1))
	if moved := resolve(t, resolver(dir), ref); moved.Digest == old.Digest {
		t.Error("the next run still has what the tag meant before")
	}
}

func TestSharedLayersAreEqual(t *testing.T) {
	h := newHub(t)
	base := image(t, 2)
	on := func() v1.Image {
		l, err := random.Layer(32, "application/vnd.oci.image.layer.v1.tar+gzip")
		must(t, err)
		img, err := mutate.AppendLayers(base, l)
		must(t, err)
		return img
	}
	r := resolver("")
	a, b := resolve(t, r, h.push(t, "a", on())), resolve(t, r, h.push(t, "b", on()))
	if !slices.Equal(a.Layers[:2], b.Layers[:2]) || a.Layers[2] == b.Layers[2] {
		t.Errorf("layers %v and %v, want two shared and one own", a.Layers, b.Layers)
	}
}

func TestErrorsCanBeToldApart(t *testing.T) {
	for _, test := range []struct {
		status int
		want   error
		gets   int
	}{
		{http.StatusNotFound, ErrNotFound, 1},
		{http.StatusUnauthorized, ErrDenied, 1},
		{http.StatusForbidden, ErrDenied, 1},
		{http.StatusTooManyRequests, ErrUnavailable, 3},
		{http.StatusInternalServerError, ErrUnavailable, 3},
		{http.StatusServiceUnavailable, ErrUnavailable, 3},
	} {
		h := newHub(t)
		ref := h.push(t, "env:v1", image(t, 1))
		h.answer = func(int) int { return test.status }
		_, err := resolver(t.TempDir()).Resolve(t.Context(), ref)
		for _, e := range []error{ErrNotFound, ErrDenied, ErrUnavailable} {
			if errors.Is(err, e) != (errors.Is(e, test.want)) {
				t.Errorf("status %d: error %v, want %v", test.status, err, test.want)
			}
		}
		if err == nil || !strings.Contains(err.Error(), ref) {
			t.Errorf("status %d: error %v does not name %s", test.status, err, ref)
		}
		if m, _ := h.counts(); m != test.gets {
			t.Errorf("status %d: %d requests, want %d", test.status, m, test.gets)
		}
	}
}

func TestPassingFailureIsTriedAgain(t *testing.T) {
	h := newHub(t)
	ref := h.push(t, "env:v1", image(t, 1))
	h.answer = func(n int) int {
		return []int{0, http.StatusInternalServerError, http.StatusTooManyRequests, 0}[n]
	}
	resolve(t, resolver(""), ref)
	if m, _ := h.counts(); m != 3 {
		t.Errorf("%d requests, want 3", m)
	}
}

func TestDeadRegistryIsUnavailable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	host := strings.TrimPrefix(srv.URL, "http://")
	srv.Close()
	if _, err := resolver("").Resolve(t.Context(), host+"/x"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
}

func TestFailureIsNotRemembered(t *testing.T) {
	h := newHub(t)
	r := resolver("")
	if _, err := r.Resolve(t.Context(), h.host+"/late:v1"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("error %v, want ErrNotFound", err)
	}
	resolve(t, r, h.push(t, "late:v1", image(t, 1)))
}

func TestMissingPlatformAndNonsense(t *testing.T) {
	h := newHub(t)
	ref := h.pushIndex(t, "arm:v1", index(map[string]v1.Image{"linux/arm64": image(t, 1)}))
	_, err := resolver("").Resolve(t.Context(), ref)
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("error %v, want ErrNotFound that names the platform", err)
	}
	if _, err := resolver("").Resolve(t.Context(), "Not/A/Reference"); err == nil {
		t.Error("a bad reference was accepted")
	}
	if m, _ := h.counts(); m != 1 {
		t.Errorf("%d requests, want 1", m)
	}
}

func TestCorruptFilesAreReplaced(t *testing.T) {
	h := newHub(t)
	img := image(t, 2)
	ref := h.push(t, "env", img) + "@" + digestOf(t, img).String()
	dir := t.TempDir()
	want := resolve(t, resolver(dir), ref)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "*.json"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("%d files, want 1", len(files))
	}
	good, err := os.ReadFile(files[0])
	must(t, err)
	other := digest.FromString("other").String()
	for what, bad := range map[string]string{
		"empty":          "",
		"cut":            string(good[:len(good)/2]),
		"other digest":   strings.Replace(string(good), want.Digest.String(), other, 1),
		"changed layer":  strings.Replace(string(good), want.Layers[0].Digest.String(), other, 1),
		"another format": "[]",
	} {
		must(t, os.WriteFile(files[0], []byte(bad), 0o644))
		if _, ok := resolver(dir).Lookup(want.Digest); ok {
			t.Errorf("%s: the file was believed", what)
		}
		if got := resolve(t, resolver(dir), ref); !slices.Equal(got.Layers, want.Layers) {
			t.Errorf("%s: chain = %+v", what, got)
		}
		if b, _ := os.ReadFile(files[0]); string(b) != string(good) {
			t.Errorf("%s: the file was not rewritten: %s", what, b)
		}
	}
}

func TestLookupOfNonsenseFindsNothing(t *testing.T) {
	for _, d := range []digest.Digest{"", "sha256:..", "../../x", digest.FromString("never seen")} {
		if c, ok := resolver(t.TempDir()).Lookup(d); ok {
			t.Errorf("Lookup(%q) = %+v", d, c)
		}
	}
}

func TestUnwritableFolderIsNoError(t *testing.T) {
	h := newHub(t)
	ref := h.push(t, "env", image(t, 1))
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o644))
	resolve(t, resolver(file), ref)
}

func TestParallelCallersShareOneRequest(t *testing.T) {
	h := newHub(t)
	good := h.push(t, "env:v1", image(t, 1))
	refs := []string{good, good, h.host + "/missing", good, good, good}
	r := resolver("")
	var group sync.WaitGroup
	for i, ref := range refs {
		group.Go(func() {
			chain, err := r.Resolve(t.Context(), ref)
			if failed := err != nil; failed != (i == 2) {
				t.Errorf("%s: %v", ref, err)
			}
			if i != 2 && chain.Ref != good {
				t.Errorf("result %d is %q", i, chain.Ref)
			}
		})
	}
	group.Wait()
	if m, _ := h.counts(); m != 2 {
		t.Errorf("%d requests, want 2", m)
	}
}

func TestCancelledCallerDoesNotSpoilOthers(t *testing.T) {
	h := newHub(t)
	ref := h.push(t, "env:v1", image(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	asked, gate := make(chan struct{}, 1), make(chan struct{})
	var calls atomic.Int32
	r := NewResolver(Options{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		if calls.Add(1) == 1 {
			asked <- struct{}{}
			select {
			case <-req.Context().Done():
				return nil, req.Context().Err()
			case <-gate:
			}
		}
		return remote.DefaultTransport.RoundTrip(req)
	})})

	first := make(chan error, 1)
	go func() { _, err := r.Resolve(ctx, ref); first <- err }()
	<-asked
	second := make(chan error, 1)
	go func() { _, err := r.Resolve(t.Context(), ref); second <- err }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled caller: %v", err)
	}
	close(gate)
	if err := <-second; err != nil {
		t.Errorf("other caller: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.1.2.3": true, "[::1]:5000": true,
		"docker.io": false, "10.0.0.1:5000": false, "localhost.example.com": false,
	} {
		if isLoopback(host) != want {
			t.Errorf("isLoopback(%q) = %t", host, !want)
		}
	}
}
