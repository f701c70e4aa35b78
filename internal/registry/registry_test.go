package registry

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

func newClient(t *testing.T, insecure ...string) *Client {
	t.Helper()
	c, err := New(insecure)
	if err != nil {
		t.Fatal(err)
	}
	c.pause = time.Millisecond
	return c
}

func TestExists(t *testing.T) {
	r := labtest.Registry(t)
	bases := labtest.Bases(t, r, lab.Shape{Instances: lab.Instances(1, 1)})
	there, missing := bases[0].Ref, r.Host()+"/no/such:1"
	for _, tt := range []struct {
		name   string
		fault  lab.Fault
		ref    string
		exists bool
		fails  bool
	}{
		{name: "it is there", ref: there, exists: true},
		{name: "it is not there", ref: missing},
		{name: "one failure is no answer", ref: there, fault: lab.Fault{Status: http.StatusInternalServerError, Times: 1, Kind: lab.KindManifest}, exists: true},
		{name: "only failures", ref: there, fault: lab.Fault{Status: http.StatusInternalServerError, Kind: lab.KindManifest}, fails: true},
		{name: "denied", ref: there, fault: lab.Fault{Status: http.StatusForbidden, Kind: lab.KindManifest}, fails: true},
		{name: "not a reference", ref: "not//a reference", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault.Status != 0 {
				defer r.Inject(tt.fault)()
			}
			digest, exists, err := newClient(t).Exists(t.Context(), tt.ref)
			if exists != tt.exists || exists != (digest != "") || (err != nil) != tt.fails {
				t.Errorf("%s: digest %q, exists %v, error %v", tt.ref, digest, exists, err)
			}
		})
	}
}

func TestAddTag(t *testing.T) {
	r := labtest.Registry(t)
	base := labtest.Bases(t, r, lab.Shape{Instances: lab.Instances(1, 1)})[0].Ref
	c := newClient(t)
	digest, _, err := c.Exists(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	repository, _, _ := strings.Cut(base, ":latest")
	tag := repository + ":second"
	if !c.SameRepository(base, tag) || c.SameRepository(base, r.Host()+"/other:1") {
		t.Errorf("repositories of %s and %s", base, tag)
	}
	defer r.Inject(lab.Fault{Status: http.StatusInternalServerError, Times: 1, Kind: lab.KindManifest})()
	if err := c.AddTag(t.Context(), digest, tag); err != nil {
		t.Fatal(err)
	}
	if got, exists, err := c.Exists(t.Context(), tag); got != digest || !exists {
		t.Errorf("%s is %q, want %q (%v)", tag, got, digest, err)
	}
	if err := c.AddTag(t.Context(), digest, r.Host()+"/other:1"); err == nil {
		t.Error("an image that is not in the repository got a tag there")
	}
}

func TestReference(t *testing.T) {
	c := newClient(t, "reg.example:5000")
	for ref, scheme := range map[string]string{
		"reg.example:5000/a:1": "http", "other.example/a:1": "https", "127.0.0.1:5000/a:1": "http",
	} {
		parsed, err := c.Reference(ref)
		if err != nil || parsed.Context().Scheme() != scheme {
			t.Errorf("%s is asked by %s, want %s (%v)", ref, parsed.Context().Scheme(), scheme, err)
		}
	}
}

// A registry that throttles is asked how long it wants to be left alone.
func TestRetryAfterOfARegistry(t *testing.T) {
	r := labtest.Registry(t)
	c := newClient(t)
	image := r.Host() + "/a:1"
	if d := c.RetryAfter(t.Context(), image); d != 0 {
		t.Errorf("it does not throttle, and yet wants %s", d)
	}
	remove := r.Inject(lab.Fault{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second})
	if d := c.RetryAfter(t.Context(), image); d != 7*time.Second {
		t.Errorf("it wants %s, not the 7 s of its answer", d)
	}
	remove()
	r.Down()
	defer r.Up()
	if d := c.RetryAfter(t.Context(), image); d != 0 {
		t.Errorf("it does not answer, and yet wants %s", d)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                              0,
		"120":                           2 * time.Minute,
		"-1":                            0,
		"soon":                          0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q is %s, want %s", header, got, want)
		}
	}
}
