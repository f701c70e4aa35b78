package registry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/layers"
)

var amd64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// keeping returns a client that keeps chains in a directory; in none with "".
func keeping(t *testing.T, dir string) *Client {
	t.Helper()
	return newClient(t, Options{Chains: dir})
}

func resolve(t *testing.T, c *Client, ref string) layers.Chain {
	t.Helper()
	chain, err := c.Resolve(t.Context(), ref, amd64)
	must(t, err)
	return chain
}

func TestPlainManifestCostsOneRequest(t *testing.T) {
	h := newHub(t)
	img := image(t, 3)
	ref := h.push(t, "env:v1", img)

	c := keeping(t, "")
	chain := resolve(t, c, ref)
	resolve(t, c, ref)

	h.check(t, "twice the same", 1, 0, 1) // the ping
	if d := hashOf(t, img); chain.Digest != d || chain.Manifest != d || chain.Ref != ref {
		t.Errorf("chain of %s is %s, %s; want %s", chain.Ref, chain.Digest, chain.Manifest, d)
	}
	list, err := img.Layers()
	must(t, err)
	for i, l := range list {
		size, _ := l.Size()
		hash, _ := l.Digest()
		if chain.Layers[i].Digest.String() != hash.String() || chain.Layers[i].Size != size {
			t.Errorf("layer %d = %+v, want %s with %d bytes", i, chain.Layers[i], hash, size)
		}
	}
}

// All that is asked of a registry shares one ping.
func TestManyRepositoriesShareOnePing(t *testing.T) {
	h := newHub(t)
	refs := []string{h.push(t, "a", image(t, 1)), h.push(t, "b", image(t, 1)), h.push(t, "c", image(t, 1))}
	c := keeping(t, "")
	for _, ref := range refs {
		resolve(t, c, ref)
		if _, exists, err := c.Exists(t.Context(), ref); err != nil || !exists {
			t.Errorf("%s exists: %t (%v)", ref, exists, err)
		}
	}
	h.check(t, "three repositories", 3, 3, 1)
}

func TestIndexKeepsBothDigests(t *testing.T) {
	h := newHub(t)
	amd, arm := image(t, 2), image(t, 3)
	idx := index(map[string]v1.Image{"linux/arm64": arm, "linux/amd64": amd, "unknown/unknown": image(t, 1)})
	ref := h.pushIndex(t, "multi:v1", idx)

	c := keeping(t, t.TempDir())
	chain := resolve(t, c, ref)
	h.check(t, "an index", 2, 1, 1)
	if chain.Digest != hashOf(t, idx) || chain.Manifest != hashOf(t, amd) || len(chain.Layers) != 2 {
		t.Errorf("chain = %+v, want the index's and the amd64 manifest's digest", chain)
	}
	for _, d := range []digest.Digest{chain.Digest, chain.Manifest} {
		if known, ok := c.Lookup(d, amd64); !ok || !slices.Equal(known.Layers, chain.Layers) {
			t.Errorf("Lookup(%s) = %+v, %t", d, known, ok)
		}
	}
	other, err := c.Resolve(t.Context(), ref, ocispecs.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"})
	if err != nil || len(other.Layers) != 3 {
		t.Errorf("arm64 got %d layers, want 3 (%v)", len(other.Layers), err)
	}
	d, config, err := c.Config(t.Context(), ref, &ocispecs.Platform{OS: "linux", Architecture: "arm64"})
	want, _ := arm.RawConfigFile()
	if err != nil || d != hashOf(t, idx) || string(config) != string(want) {
		t.Errorf("for arm64 %s has the config %s, want %s (%v)", d, config, want, err)
	}

	// A later run asks for none of it again, but what the tag stands for.
	h.reset()
	later := keeping(t, c.store.Dir)
	d, config, err = later.Config(t.Context(), ref, &ocispecs.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"})
	h.check(t, "a config that is kept", 0, 1, 1)
	if err != nil || d != hashOf(t, idx) || string(config) != string(want) {
		t.Errorf("later for arm64 %s has the config %s, want %s (%v)", d, config, want, err)
	}
	if sizes, err := later.Sizes(t.Context(), ref+"@"+d.String(), "linux/arm64"); err != nil || len(sizes) != 3 {
		t.Errorf("the sizes are %v, %v", sizes, err)
	}
	h.check(t, "sizes of what is kept", 0, 1, 1)
}

// What is kept is not asked for again. By tag a HEAD tells whether it is, which
// registries that count pulls do not count.
func TestSecondRunAsksLess(t *testing.T) {
	h := newHub(t)
	plain, other := image(t, 1), image(t, 2)
	tagged := index(map[string]v1.Image{"linux/amd64": other})
	byDigest := h.push(t, "plain", plain) + "@" + hashOf(t, plain).String()
	byTag := h.pushIndex(t, "multi:v1", tagged)
	dir := t.TempDir()
	first := keeping(t, dir)
	want := []layers.Chain{resolve(t, first, byDigest), resolve(t, first, byTag)}

	for _, test := range []struct {
		ref         string
		want        layers.Chain
		heads, ping int
	}{{byDigest, want[0], 0, 0}, {byTag, want[1], 1, 1}} {
		h.reset()
		got := resolve(t, keeping(t, dir), test.ref)
		h.check(t, test.ref, 0, test.heads, test.ping)
		if !slices.Equal(got.Layers, test.want.Layers) || got.Digest != test.want.Digest || got.Manifest != test.want.Manifest || got.Ref != test.want.Ref {
			t.Errorf("%s: chain = %+v, want %+v", test.ref, got, test.want)
		}
	}
	// Another index of the same image costs no request for the image's own manifest.
	again := h.pushIndex(t, "multi:v2", index(map[string]v1.Image{"linux/amd64": other, "linux/arm64": plain}))
	got := resolve(t, keeping(t, dir), again)
	h.check(t, again, 1, 1, 1)
	if got.Manifest != want[1].Manifest || got.Digest == want[1].Digest || !slices.Equal(got.Layers, want[1].Layers) {
		t.Errorf("%s: chain = %+v, want the layers of %+v", again, got, want[1])
	}
}

func TestTagIsNotKeptBeyondTheRun(t *testing.T) {
	h := newHub(t)
	dir := t.TempDir()
	ref := h.push(t, "env:v1", image(t, 1))
	old := resolve(t, keeping(t, dir), ref)
	h.push(t, "env:v1", image(t, 1))
	if moved := resolve(t, keeping(t, dir), ref); moved.Digest == old.Digest {
		t.Error("the next run still has what the tag meant before")
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
		{http.StatusTooManyRequests, ErrUnavailable, chainTries},
		{http.StatusInternalServerError, ErrUnavailable, chainTries},
		{http.StatusServiceUnavailable, ErrUnavailable, chainTries},
	} {
		h := newHub(t)
		ref := h.push(t, "env:v1", image(t, 1))
		h.answer = func(int) int { return test.status }
		_, err := keeping(t, "").Resolve(t.Context(), ref, amd64)
		for _, e := range []error{ErrNotFound, ErrDenied, ErrUnavailable} {
			if errors.Is(err, e) != (errors.Is(e, test.want)) {
				t.Errorf("status %d: error %v, want %v", test.status, err, test.want)
			}
		}
		if err == nil || !strings.Contains(err.Error(), ref) {
			t.Errorf("status %d: error %v does not name %s", test.status, err, ref)
		}
		h.check(t, http.StatusText(test.status), test.gets, 0, 1)
	}
}

func TestPassingFailureIsTriedAgain(t *testing.T) {
	h := newHub(t)
	ref := h.push(t, "env:v1", image(t, 1))
	h.answer = func(n int) int { return []int{0, http.StatusInternalServerError, 0}[n] }
	resolve(t, keeping(t, ""), ref)
	h.check(t, "a failure and an answer", 2, 0, 1)
}

// A registry that answers no HEAD is asked for the manifest itself, and one that is
// asked too often is not asked the more for it.
func TestRefusedHead(t *testing.T) {
	h := newHub(t)
	ref := h.push(t, "env:v1", image(t, 1))
	h.head = http.StatusMethodNotAllowed
	resolve(t, keeping(t, t.TempDir()), ref)
	h.check(t, "no HEAD", 1, 1, 1)
	h.reset()
	h.head = http.StatusTooManyRequests
	if _, err := keeping(t, t.TempDir()).Resolve(t.Context(), ref, amd64); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
	h.check(t, "too many requests", 0, chainTries, 1)
}

func TestDeadRegistryIsUnavailable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	host := strings.TrimPrefix(srv.URL, "http://")
	srv.Close()
	if _, err := keeping(t, "").Resolve(t.Context(), host+"/x", amd64); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
}

func TestFailureIsNotRemembered(t *testing.T) {
	h := newHub(t)
	c := keeping(t, "")
	if _, err := c.Resolve(t.Context(), h.host+"/late:v1", amd64); !errors.Is(err, ErrNotFound) {
		t.Fatalf("error %v, want ErrNotFound", err)
	}
	resolve(t, c, h.push(t, "late:v1", image(t, 1)))
}

func TestMissingPlatformAndNonsense(t *testing.T) {
	h := newHub(t)
	ref := h.pushIndex(t, "arm:v1", index(map[string]v1.Image{"linux/arm64": image(t, 1)}))
	_, err := keeping(t, "").Resolve(t.Context(), ref, amd64)
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("error %v, want ErrNotFound that names the platform", err)
	}
	if _, err := keeping(t, "").Resolve(t.Context(), "Not/A/Reference", amd64); err == nil {
		t.Error("a bad reference was accepted")
	}
	h.check(t, "a missing platform", 1, 0, 1)
}

func TestUnwritableFolderIsNoError(t *testing.T) {
	h := newHub(t)
	ref := h.push(t, "env", image(t, 1))
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o644))
	resolve(t, keeping(t, file), ref)
}

func TestParallelCallersShareOneRequest(t *testing.T) {
	h := newHub(t)
	good := h.push(t, "env:v1", image(t, 1))
	refs := []string{good, good, h.host + "/missing", good, good, good}
	c := keeping(t, "")
	var group sync.WaitGroup
	for i, ref := range refs {
		group.Go(func() {
			chain, err := c.Resolve(t.Context(), ref, amd64)
			if failed := err != nil; failed != (i == 2) {
				t.Errorf("%s: %v", ref, err)
			}
			if i != 2 && chain.Ref != good {
				t.Errorf("result %d is %q", i, chain.Ref)
			}
		})
	}
	group.Wait()
	if h.manifests != 2 {
		t.Errorf("%d requests, want 2", h.manifests)
	}
}

func TestCancelledCallerDoesNotSpoilOthers(t *testing.T) {
	h := newHub(t)
	ref := h.push(t, "env:v1", image(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	asked, gate := make(chan struct{}, 1), make(chan struct{})
	var calls atomic.Int32
	c := keeping(t, "")
	c.limits.next = roundTrip(func(req *http.Request) (*http.Response, error) {
		if calls.Add(1) == 1 {
			asked <- struct{}{}
			select {
			case <-req.Context().Done():
				return nil, req.Context().Err()
			case <-gate:
			}
		}
		return remote.DefaultTransport.RoundTrip(req)
	})

	first := make(chan error, 1)
	go func() { _, err := c.Resolve(ctx, ref, amd64); first <- err }()
	<-asked
	second := make(chan error, 1)
	go func() { _, err := c.Resolve(t.Context(), ref, amd64); second <- err }()
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
