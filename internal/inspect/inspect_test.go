package inspect

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/registry"
)

var (
	amd64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = ocispecs.Platform{OS: "linux", Architecture: "arm64"}
)

// node has records that are named after images, or cannot list them.
type node struct {
	pulled []string
	err    error
}

func (node) Name() string                { return "node1" }
func (node) Platform() ocispecs.Platform { return amd64 }
func (n node) Records(context.Context) (records []cache.Record, err error) {
	for i, ref := range n.pulled {
		records = append(records, cache.Record{ID: string(rune('a' + i)), Kind: cache.KindRegular, Size: 1000, Description: "pulled from " + ref})
	}
	return records, n.err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// push puts an index for platforms into a registry, and returns its digest.
func push(t *testing.T, ref string, platforms ...ocispecs.Platform) string {
	t.Helper()
	index := v1.ImageIndex(empty.Index)
	for _, p := range platforms {
		image, err := random.Image(64, 2)
		must(t, err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Architecture}}})
	}
	at, err := name.ParseReference(ref)
	must(t, err)
	must(t, remote.WriteIndex(at, index))
	digest, err := index.Digest()
	must(t, err)
	return digest.String()
}

// What a tag stands for now and what it stood for when the node pulled it are both the
// image's.
func TestChains(t *testing.T) {
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "denied") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	moved, both, gone := host+"/moved:1", host+"/both:1", "sha256:"+strings.Repeat("0", 64)
	was := push(t, moved, amd64)
	is := push(t, moved, amd64)
	push(t, both, amd64, arm64)
	client, err := registry.New(registry.Options{})
	must(t, err)
	n := node{pulled: []string{moved + "@" + was, host + "/gone:1@" + gone}}
	for _, tt := range []struct {
		name, ref string
		platforms []ocispecs.Platform
		chains    int
		problem   error
	}{
		{"a tag that has moved", moved, nil, 2, nil},
		{"what it was", moved + "@" + was, nil, 1, nil},
		{"what it is", moved + "@" + is, nil, 1, nil},
		{"for two platforms", both, []ocispecs.Platform{amd64, arm64}, 2, nil},
		{"for one of two platforms", moved, []ocispecs.Platform{arm64, amd64}, 2, nil},
		{"for none of the platforms", moved, []ocispecs.Platform{arm64}, 0, registry.ErrNotFound},
		{"neither there nor on the node", host + "/never:1", nil, 0, nil},
		{"on the node, and gone", host + "/gone:1", nil, 0, registry.ErrNotFound},
		{"denied", host + "/denied:1", nil, 0, registry.ErrDenied},
	} {
		a, err := Cache(t.Context(), n, Question{Images: []cache.Image{{Ref: tt.ref}}, Platforms: tt.platforms, Registry: client})
		must(t, err)
		if got := len(a.Images[0].Chains); got != tt.chains || !errors.Is(a.Problems[0], tt.problem) {
			t.Errorf("%s: %d chains, want %d; problem %v, want %v", tt.name, got, tt.chains, a.Problems[0], tt.problem)
		}
		if len(a.Report.Records) != len(n.pulled) {
			t.Errorf("%s: %d records are judged, want %d", tt.name, len(a.Report.Records), len(n.pulled))
		}
	}
	_, err = Cache(t.Context(), node{err: errors.New("gone away")}, Question{Registry: client})
	if err == nil || !strings.Contains(err.Error(), "node1: listing the records: gone away") {
		t.Errorf("records that cannot be listed: %v", err)
	}
}
