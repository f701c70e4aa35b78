package registry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// Whether pushing is allowed is for the registry to say, by an upload that is begun and
// cancelled; what says nothing of it is neither yes nor no.
func TestCanPush(t *testing.T) {
	r := labtest.Registry(t)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	logIn := func(password string) {
		auth := base64.StdEncoding.EncodeToString([]byte("me:" + password))
		text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.Host(), auth)
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	upload := lab.Fault{Method: http.MethodPost, Kind: lab.KindUpload}
	for _, tt := range []struct {
		name     string
		auth     *lab.Auth
		password string
		status   int
		want     error
		unknown  bool
	}{
		{name: "anybody may"},
		{name: "by a password", auth: &lab.Auth{User: "me", Password: "right"}, password: "right"},
		{name: "by a token", auth: &lab.Auth{User: "me", Password: "right", TokenTTL: time.Minute}, password: "right"},
		{name: "a wrong password", auth: &lab.Auth{User: "me", Password: "right"}, password: "wrong", want: ErrDenied},
		{name: "no token", auth: &lab.Auth{User: "me", Password: "right", TokenTTL: time.Minute}, password: "wrong", want: ErrDenied},
		{name: "for reading only", auth: &lab.Auth{User: "me", Password: "right", TokenTTL: time.Minute}, password: "right", status: http.StatusForbidden, want: ErrDenied},
		{name: "no repository", status: http.StatusNotFound, want: ErrNotFound},
		{name: "it fails", status: http.StatusInternalServerError, unknown: true},
		{name: "it has had enough", status: http.StatusTooManyRequests, unknown: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.AllowAll()
			if tt.auth != nil {
				r.RequireAuth(*tt.auth)
			}
			logIn(tt.password)
			if upload.Status = tt.status; tt.status != 0 {
				defer r.Inject(upload)()
			}
			r.Reset()
			err := newClient(t, Options{}).CanPush(t.Context(), r.Host()+"/some/where:1")
			if tt.unknown {
				if err == nil || errors.Is(err, ErrDenied) || errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if cancelled := r.Requests().ByStatus[http.StatusNoContent]; (cancelled == 1) != (tt.want == nil) {
				t.Errorf("%d uploads were cancelled", cancelled)
			}
		})
	}
}
