package registry

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
)

// hub is an in-process registry that counts requests and can fail.
type hub struct {
	host string

	mu        sync.Mutex
	manifests int // GETs of manifests
	heads     int // HEADs of manifests
	others    []string
	answer    func(n int) int // status for the n-th GET of a manifest, 0 to let it pass
	head      int             // status for HEADs of manifests, 0 to let them pass
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
	of := strings.Contains(r.URL.Path, "/manifests/")
	if of && r.Method == http.MethodHead {
		h.heads++
		return h.head
	}
	if !of || r.Method != http.MethodGet {
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
	h.manifests, h.heads, h.others = 0, 0, nil
}

// check makes sure how often manifests were asked for, and what else was.
func (h *hub) check(t *testing.T, what string, gets, heads, others int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.manifests != gets || h.heads != heads || len(h.others) != others {
		t.Errorf("%s: %d GETs and %d HEADs of manifests and %v, want %d, %d and %d", what, h.manifests, h.heads, h.others, gets, heads, others)
	}
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

func hashOf(t *testing.T, x interface{ Digest() (v1.Hash, error) }) digest.Digest {
	t.Helper()
	d, err := x.Digest()
	must(t, err)
	return digest.Digest(d.String())
}
