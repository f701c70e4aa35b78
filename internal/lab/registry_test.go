package lab_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestRegistryCounts(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Bases(t, registry, tiny)[0]
	if got := registry.Requests(); got.Total != 0 {
		t.Errorf("%d requests after reset", got.Total)
	}
	own := base.Layers[len(base.Layers)-1]
	for range 2 {
		if status, body := get(t, blobURL(registry, base, own)); status != 200 || int64(len(body)) != own.Size {
			t.Fatalf("status %d, %d bytes", status, len(body))
		}
	}
	if resp, err := http.Head(blobURL(registry, base, own)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("head: %v", err)
	}
	get(t, "http://"+registry.Host()+"/v2/swebench/"+base.Name+"/manifests/latest")
	get(t, "http://"+registry.Host()+"/v2/swebench/none/manifests/latest")
	got := registry.Requests()
	manifest := "swebench/" + base.Name + ":latest"
	for what, pair := range map[string][2]int{
		"total":         {got.Total, 5},
		"blob":          {got.ByKind[lab.KindBlob], 3},
		"blob gets":     {got.BlobGets[own.Digest], 2},
		"blob heads":    {got.BlobHeads[own.Digest], 1},
		"manifest gets": {got.ManifestGets[manifest], 1},
		"not found":     {got.ByStatus[404], 1},
		"uploads":       {got.Uploads(), 0},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %d, want %d", what, pair[0], pair[1])
		}
	}
	if got.BytesOut < 2*own.Size {
		t.Errorf("%d bytes out", got.BytesOut)
	}
}

func TestRegistryDeletes(t *testing.T) {
	registry := labtest.RegistryWith(t, lab.RegistryOptions{})
	base := labtest.Bases(t, registry, tiny)[0]
	ref, err := name.ParseReference(registry.Host()+"/swebench/"+base.Name+"@"+base.Digest, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Delete(ref); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Files(t.Context(), base.Ref); err == nil {
		t.Error("the image is still there")
	}
}

func TestFaults(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Bases(t, registry, lab.Shape{Instances: lab.Instances(1, 1), OwnBytes: 100_000})[0]
	own := base.Layers[len(base.Layers)-1]
	url := blobURL(registry, base, own)
	_, sound := get(t, url)
	manifest := "http://" + registry.Host() + "/v2/swebench/" + base.Name + "/manifests/latest"

	t.Run("status and retry after", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Kind: lab.KindBlob, Status: 429, RetryAfter: 3 * time.Second})()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "3" {
			t.Errorf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if status, _ := get(t, manifest); status != 200 {
			t.Errorf("another kind of request got %d", status)
		}
	})
	t.Run("times", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Digest: own.Digest, Status: 500, Times: 2})()
		for i, want := range []int{500, 500, 200} {
			if status, _ := get(t, url); status != want {
				t.Errorf("request %d got %d, want %d", i, status, want)
			}
		}
	})
	t.Run("denied by repository", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Repo: "swebench/*", Status: 403})()
		if _, err := lab.Files(t.Context(), base.Ref); err == nil {
			t.Error("the image could be read")
		}
	})
	t.Run("method", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Method: http.MethodHead, Status: 503})()
		if resp, err := http.Head(url); err != nil || resp.StatusCode != 503 {
			t.Errorf("head: %v", err)
		}
		if status, _ := get(t, url); status != 200 {
			t.Errorf("get: %d", status)
		}
	})
	t.Run("cut", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Digest: own.Digest, Cut: true, CutAfter: 50_000})()
		registry.Reset()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil || !bytes.Equal(body, sound[:50_000]) {
			t.Errorf("%d bytes, error %v", len(body), err)
		}
		if got := registry.Requests().BlobGets[own.Digest]; got != 0 {
			t.Errorf("a download that was cut counts %d", got)
		}
	})
	t.Run("corrupt", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Digest: own.Digest, Corrupt: true})()
		_, body := get(t, url)
		if len(body) != len(sound) || bytes.Equal(body, sound) {
			t.Errorf("%d bytes, want %d different ones", len(body), len(sound))
		}
	})
	t.Run("slow", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Digest: own.Digest, BytesPerSecond: 10 << 20, Delay: time.Millisecond})()
		if _, body := get(t, url); !bytes.Equal(body, sound) {
			t.Error("a slow response is wrong")
		}
	})
	t.Run("delay ends with the client", func(t *testing.T) {
		defer registry.Inject(lab.Fault{Digest: own.Digest, Delay: 24 * time.Hour})()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("down", func(t *testing.T) {
		registry.Down()
		if resp, err := http.Get(url); err == nil {
			t.Errorf("answered with %d", resp.StatusCode)
		}
		registry.Up()
		if status, _ := get(t, url); status != 200 {
			t.Errorf("after up: %d", status)
		}
		registry.DownFor(time.Millisecond)
		for {
			resp, err := http.Get(url)
			if err == nil {
				resp.Body.Close()
				break
			}
		}
	})
	t.Run("none", func(t *testing.T) {
		if _, body := get(t, url); !bytes.Equal(body, sound) {
			t.Error("a fault stayed")
		}
	})
}

func TestFractionFollowsSeed(t *testing.T) {
	hits := func(seed uint64) (pattern []int) {
		registry := labtest.RegistryWith(t, lab.RegistryOptions{InMemory: true, Seed: seed})
		registry.Inject(lab.Fault{Fraction: 0.5, Status: 503})
		for range 40 {
			status, _ := get(t, "http://"+registry.Host()+"/v2/")
			pattern = append(pattern, status)
		}
		return pattern
	}
	first, again, other := hits(1), hits(1), hits(2)
	count := 0
	same := true
	for i := range first {
		if first[i] == 503 {
			count++
		}
		if first[i] != again[i] {
			t.Fatalf("request %d got %d, then %d with the same seed", i, first[i], again[i])
		}
		same = same && first[i] == other[i]
	}
	if count == 0 || count == len(first) || same {
		t.Errorf("%d of %d requests hit, equal with another seed: %v", count, len(first), same)
	}
}

func TestAuth(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Bases(t, registry, tiny)[0]
	right := remote.WithAuth(&authn.Basic{Username: "user", Password: "secret"})
	wrong := remote.WithAuth(&authn.Basic{Username: "user", Password: "guess"})
	for kind, auth := range map[string]lab.Auth{
		"basic": {User: "user", Password: "secret"},
		"token": {User: "user", Password: "secret", TokenTTL: time.Hour},
	} {
		registry.RequireAuth(auth)
		if _, err := lab.Files(t.Context(), base.Ref); err == nil {
			t.Errorf("%s: read without credentials", kind)
		}
		if _, err := lab.Files(t.Context(), base.Ref, wrong); err == nil {
			t.Errorf("%s: read with a wrong password", kind)
		}
		if _, err := lab.Files(t.Context(), base.Ref, right); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	registry.AllowAll()
	labtest.Files(t, base.Ref)
}

func TestExpiredTokenIsRefused(t *testing.T) {
	registry := labtest.Registry(t)
	registry.RequireAuth(lab.Auth{User: "user", Password: "secret", TokenTTL: time.Hour})
	puller, err := remote.NewPuller(remote.WithAuth(&authn.Basic{Username: "user", Password: "secret"}))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := name.NewRepository(registry.Host()+"/some/repo", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	tokens := func() int {
		_, _ = puller.List(t.Context(), repo) // the repository does not exist; only tokens matter
		return registry.Requests().ByStatus[http.StatusUnauthorized]
	}
	first := tokens()
	if again := tokens(); again != first {
		t.Errorf("a good token was refused: %d refusals, then %d", first, again)
	}
	registry.ExpireTokens()
	if after := tokens(); after != first+1 {
		t.Errorf("%d refusals before the tokens expired, %d after", first, after)
	}
}

func blobURL(registry *lab.Registry, base lab.Base, layer lab.Layer) string {
	return "http://" + registry.Host() + "/v2/swebench/" + base.Name + "/blobs/" + layer.Digest
}

func get(t *testing.T, url string) (status int, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}
