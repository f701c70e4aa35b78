package examine

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/plan"
)

func TestMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		err    error
		secret bool
		want   check.Severity // empty for no finding
	}{
		"all of it":                    {http.StatusOK, nil, false, ""},
		"its first byte":               {http.StatusPartialContent, nil, false, ""},
		"it has no first byte":         {http.StatusRequestedRangeNotSatisfiable, nil, false, ""},
		"it is elsewhere":              {http.StatusFound, nil, false, ""},
		"it is not there":              {http.StatusNotFound, nil, false, check.Fault},
		"it is there no more":          {http.StatusGone, nil, false, check.Fault},
		"it is not there for everyone": {http.StatusNotFound, nil, true, check.Unknown},
		"it is not for everyone":       {http.StatusForbidden, nil, false, check.Warning},
		"the server is ill":            {http.StatusBadGateway, nil, false, check.Warning},
		"the server is silent":         {0, errors.New("no route"), false, check.Unknown},
	} {
		f, is := missing(&url.URL{Scheme: "https", User: url.UserPassword("me", "pass"), Host: "web.example", Path: "/a"}, tt.status, tt.err, tt.secret)
		if is != (tt.want != "") || is && f.Severity != tt.want || strings.Contains(f.Text, "pass") {
			t.Errorf("%s: %+v, %v, want %q", name, f, is, tt.want)
		}
	}
}

func TestSecretForAServer(t *testing.T) {
	j := &plan.Job{Options: build.Options{SecretSpecs: buildflags.Secrets{{ID: "HTTP_AUTH_TOKEN_web.example"}}}}
	if !hasAuth(j, "web.example") || hasAuth(j, "other.example") {
		t.Error("a secret is for another server than its name says")
	}
}

// A host that no plan names is not asked, and one that gives much is not read to the end.
func TestAsk(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/none", http.StatusFound)
		case "/endless":
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 1<<16))
			}
			ended <- err
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	client := newWebClient()
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{"/elsewhere": http.StatusFound, "/here": http.StatusNotFound, "/endless": http.StatusOK} {
		if status, err := ask(t.Context(), client, server.URL+path); err != nil || status != want {
			t.Errorf("%s: %d, %v, want %d", path, status, err, want)
		}
	}
	if err := <-ended; err == nil || asked != 0 {
		t.Errorf("%v, and a host that nobody named was asked %d times", err, asked)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(gone, client, "http://me:pass@"+server.Listener.Addr().String()+"/x"); err == nil || strings.Contains(err.Error(), "pass") {
		t.Errorf("%v", err)
	}
}
