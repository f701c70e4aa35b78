package registry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/throttle"
)

func TestMain(m *testing.M) { labtest.Main(m) }

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
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
			digest, exists, err := newClient(t, Options{}).Exists(t.Context(), tt.ref)
			if exists != tt.exists || exists != (digest != "") || (err != nil) != tt.fails {
				t.Errorf("%s: digest %q, exists %v, error %v", tt.ref, digest, exists, err)
			}
		})
	}
}

func TestAddTag(t *testing.T) {
	r := labtest.Registry(t)
	base := labtest.Bases(t, r, lab.Shape{Instances: lab.Instances(1, 1)})[0].Ref
	c := newClient(t, Options{})
	digest, _, err := c.Exists(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	repository, _, _ := strings.Cut(base, ":latest")
	tag := repository + ":second"
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

func TestScheme(t *testing.T) {
	c := newClient(t, Options{Insecure: []string{"reg.example:5000"}})
	for ref, scheme := range map[string]string{
		"reg.example:5000/a:1": "http", "other.example/a:1": "https", "127.1.2.3:5000/a:1": "http", "localhost/a:1": "http", "debian": "https",
	} {
		at, err := c.locate(ref)
		if err != nil || at.Context().Scheme() != scheme {
			t.Errorf("%s is asked by %s, want %s (%v)", ref, at.Context().Scheme(), scheme, err)
		}
	}
}

// A registry that throttles is asked how long it wants to be left alone, and what its
// limit is. Other answers tell the limit, too.
func TestLimits(t *testing.T) {
	r := labtest.Registry(t)
	bases := labtest.Bases(t, r, lab.Shape{Instances: lab.Instances(1, 1)})
	c := newClient(t, Options{})
	image := bases[0].Ref
	if said := c.Ask(t.Context(), image); said != (throttle.Answer{}) {
		t.Errorf("it does not throttle, and yet says %+v", said)
	}
	remove := r.Inject(lab.Fault{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second, Header: lab.LimitHeader(100, 0, 6*time.Hour)})
	want := throttle.Limit{Total: 100, Window: 6 * time.Hour}
	if said := c.Ask(t.Context(), image); said.RetryAfter != 7*time.Second || said.Limit == nil || *said.Limit != want {
		t.Errorf("it says %+v, want 7 s and %+v", said, want)
	}
	remove()
	remove = r.Inject(lab.Fault{Kind: lab.KindManifest, Header: lab.LimitHeader(100, 76, 6*time.Hour)})
	want.Remaining = 76
	if _, err := c.Sizes(t.Context(), image, ""); err != nil || c.Limits()[r.Host()] != want {
		t.Errorf("%v, and the limits are %+v, want %+v", err, c.Limits(), want)
	}
	remove()
	r.Down()
	defer r.Up()
	if said := c.Ask(t.Context(), image); said != (throttle.Answer{}) {
		t.Errorf("it does not answer, and yet says %+v", said)
	}
}

// Nobody waits for ever for a registry.
func TestSilence(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	host := strings.TrimPrefix(silent.URL, "http://")
	c := newClient(t, Options{})
	c.patience = 50 * time.Millisecond
	check := func(says string) {
		t.Helper()
		_, exists, err := c.Exists(t.Context(), host+"/x:1")
		if err == nil || exists || !strings.Contains(err.Error(), says) {
			t.Errorf("it exists: %t, error %v, want %q", exists, err, says)
		}
		if err := c.AddTag(t.Context(), "sha256:"+strings.Repeat("0", 64), host+"/x:1"); err == nil {
			t.Error("it has got a tag")
		}
		if _, err := c.Resolve(t.Context(), host+"/x:1", amd64); err == nil {
			t.Error("it has a chain")
		}
		if _, _, err := c.Config(t.Context(), host+"/x:1", nil); err == nil {
			t.Error("it has a config")
		}
		if said := c.Ask(t.Context(), host+"/x:1"); said != (throttle.Answer{}) {
			t.Errorf("it says %+v", said)
		}
	}
	check("deadline exceeded")
}
