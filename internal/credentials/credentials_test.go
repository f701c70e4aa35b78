//go:build unix

package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a docker configuration with helpers in PATH.
type bench struct {
	t     *testing.T
	dir   string
	store *Store
}

func newBench(t *testing.T, config string) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), store: New()}
	t.Setenv("PATH", b.dir+":"+os.Getenv("PATH"))
	t.Setenv("DIR", b.dir)
	t.Setenv("DOCKER_CONFIG", b.dir)
	for _, unset := range []string{"DOCKER_AUTH_CONFIG", "BUILDX_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"} {
		t.Setenv(unset, "")
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(b.dir, "nothing"))
	if config != "" {
		b.write("config.json", config)
	}
	return b
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		b.t.Fatal(err)
	}
}

// helper makes a helper that notes what it is asked, as $asked.
func (b *bench) helper(suffix, script string) {
	b.write("docker-credential-"+suffix, "#!/bin/sh\nread -r asked\necho \"$1 $asked\" >> \"$DIR/asked\"\n"+script+"\n")
}

func (b *bench) asked() string {
	data, err := os.ReadFile(filepath.Join(b.dir, "asked"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(data)), "\n", ", ")
}

// forImage is what a registry's client is given for an image, as user:password.
func (b *bench) forImage(ctx context.Context, image string) (string, error) {
	b.t.Helper()
	ref, err := name.ParseReference(image)
	if err != nil {
		b.t.Fatal(err)
	}
	found, err := authn.Resolve(ctx, b.store, ref.Context())
	if err != nil {
		return "", err
	}
	auth, err := found.Authorization()
	if err != nil {
		b.t.Fatal(err)
	}
	return auth.Username + ":" + auth.Password + auth.IdentityToken, nil
}

// forBuild is what a builder is given for a registry, in the same form.
func (b *bench) forBuild(ctx context.Context, host string, scopes ...string) (string, error) {
	b.t.Helper()
	file := configfile.New(filepath.Join(b.dir, "config.json"))
	if f, err := os.Open(file.Filename); err == nil {
		defer f.Close()
		if err := file.LoadFromReader(f); err != nil {
			b.t.Fatal(err)
		}
	}
	auth, err := b.store.ForBuilds(configured{file: file})(ctx, host, scopes, nil)
	return auth.Username + ":" + auth.Password + auth.IdentityToken, err
}

// Whoever asks gets the same for a registry, and helpers are asked what docker would ask.
func TestWhereCredentialsComeFrom(t *testing.T) {
	const answers = `echo '{"Username": "'"$asked"'", "Secret": "s"}'`
	const auth = "ZmlsZTpz" // file:s
	for _, tt := range []struct {
		name, config, image, host string
		want, asked               string
	}{
		{"nothing", `{}`, "a.example/x/y", "a.example", ":", ""},
		{"the file", `{"auths": {"a.example": {"auth": "` + auth + `"}}}`, "a.example/x/y", "a.example", "file:s", ""},
		{"the file, with a scheme", `{"auths": {"https://a.example": {"auth": "` + auth + `"}}}`, "a.example/x/y", "a.example", "file:s", ""},
		{"the registry's helper", `{"credHelpers": {"a.example": "one"}}`, "a.example/x/y", "a.example", "a.example:s", "get a.example"},
		{"another registry's helper", `{"credHelpers": {"b.example": "one"}}`, "a.example/x/y", "a.example", ":", ""},
		{"the helper for all", `{"credsStore": "one"}`, "a.example/x/y", "a.example", "a.example:s", "get a.example"},
		{"a helper and not the file", `{"credsStore": "one", "auths": {"a.example": {"auth": "` + auth + `"}}}`,
			"a.example/x/y", "a.example", "a.example:s", "get a.example"},
		{"the registry's helper, not that for all", `{"credsStore": "two", "credHelpers": {"a.example": "one"}}`,
			"a.example/x/y", "a.example", "a.example:s", "get a.example"},
		{"a registry without a helper beside that for all", `{"credsStore": "one", "credHelpers": {"a.example": ""}, "auths": {"a.example": {"auth": "` + auth + `"}}}`,
			"a.example/x/y", "a.example", "file:s", ""},
		{"docker's hub", `{"credsStore": "one"}`, "x/y", "registry-1.docker.io", "https://index.docker.io/v1/:s", "get https://index.docker.io/v1/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.config)
			b.helper("one", answers)
			for range 2 { // the second time it is remembered
				secrets := 0
				b.store.Secret = func(values ...string) {
					if slices.Contains(values, "s") {
						secrets++
					}
				}
				if got, err := b.forImage(t.Context(), tt.image); got != tt.want || err != nil {
					t.Errorf("for an image %q, error %v; want %q", got, err, tt.want)
				}
				if got, err := b.forBuild(t.Context(), tt.host); got != tt.want || err != nil {
					t.Errorf("for a build %q, error %v; want %q", got, err, tt.want)
				}
				if secrets != 2 && tt.want != ":" {
					t.Errorf("of 2 secrets that were given out %d were told", secrets)
				}
			}
			if got := b.asked(); got != tt.asked {
				t.Errorf("helpers were asked %q, want %q", got, tt.asked)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	const answers = `echo '{"Username": "'"$asked"'", "Secret": "s"}'`
	t.Run("a repository's own", func(t *testing.T) {
		b := newBench(t, `{"credHelpers": {"a.example": "one", "a.example/x/y": "two"}}`)
		b.helper("one", answers)
		b.helper("two", answers)
		if got, err := b.forImage(t.Context(), "a.example/x/y"); got != "a.example/x/y:s" || err != nil {
			t.Errorf("%q, error %v", got, err)
		}
	})
	t.Run("podman's", func(t *testing.T) {
		b := newBench(t, "")
		b.helper("one", answers)
		t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(b.dir, "auth.json"))
		b.write("auth.json", `{"credHelpers": {"a.example": "one"}}`)
		if got, err := b.forImage(t.Context(), "a.example/x/y"); got != "a.example:s" || err != nil {
			t.Errorf("%q, error %v", got, err)
		}
	})
	t.Run("the environment's", func(t *testing.T) {
		b := newBench(t, `{"credsStore": "one"}`)
		b.helper("one", answers)
		t.Setenv("DOCKER_AUTH_CONFIG", `{"auths": {"a.example": {"auth": "ZmlsZTpz"}}}`)
		if got, err := b.forImage(t.Context(), "a.example/x/y"); got != "file:s" || err != nil {
			t.Errorf("for an image %q, error %v", got, err)
		}
		if got, err := b.forBuild(t.Context(), "a.example"); got != "file:s" || err != nil {
			t.Errorf("for a build %q, error %v", got, err)
		}
		if b.asked() != "" {
			t.Error("the helper was asked")
		}
	})
	t.Run("buildx's for a repository", func(t *testing.T) {
		b := newBench(t, `{"credsStore": "one"}`)
		b.helper("one", answers)
		b.write("buildx/config/a.example/x/y/config.json", `{"auths": {"a.example": {"auth": "ZmlsZTpz"}}}`)
		auth, err := b.store.ForBuilds(configured{file: configfile.New(filepath.Join(b.dir, "config.json"))})(t.Context(), "a.example",
			[]string{"repository:x/y:pull"}, nil)
		if auth.Username != "file" || err != nil {
			t.Errorf("%+v, error %v", auth, err)
		}
	})
	t.Run("docker's hub for its relatives", func(t *testing.T) {
		b := newBench(t, `{"credsStore": "one"}`)
		b.helper("one", `case $asked in *index.docker.io*) `+answers+` ;; *) echo credentials not found in native keychain; exit 1 ;; esac`)
		if got, err := b.forBuild(t.Context(), "dhi.io"); got != "https://index.docker.io/v1/:s" || err != nil {
			t.Errorf("%q, error %v", got, err)
		}
	})
}

func TestWhatHelpersAnswer(t *testing.T) {
	for _, tt := range []struct{ name, script, want, err string }{
		{"a password", `echo '{"Username": "u", "Secret": "s"}'`, "u:s", ""},
		{"a token", `echo '{"Username": "<token>", "Secret": "t"}'`, ":t", ""},
		{"nothing", `echo 'credentials not found in native keychain'; exit 1`, ":", ""},
		{"an error", `echo 'login as me:Pl41nPa55 failed'; exit 3`, "",
			"docker-credential-one failed for a.example (exit status 3): see what `echo a.example | docker-credential-one get` says; mend it, or take it out of \"credsStore\" in "},
		{"an error, where errors go", `echo 'passphrase is Pl41nPa55' >&2; exit 1`, "", "failed for a.example (exit status 1): see what"},
		{"an error without a word", `exit 3`, "", "failed for a.example (exit status 3): see what"},
		{"an error that docker knows", `echo 'no credentials server URL'; exit 1`, "", "failed for a.example (exit status 1): no credentials server URL; mend it"},
		{"nonsense", `echo Pl41nPa55`, "", "answered for a.example with what is no credentials: see what `echo a.example"},
		{"and leaves a child", `sleep 1000 & echo $! > "$DIR/child"; echo '{"Username": "u", "Secret": "s"}'`, "u:s", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, `{"credsStore": "one"}`)
			b.helper("one", tt.script)
			got, err := b.forImage(t.Context(), "a.example/x/y")
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, error %v; want %q, error %q", got, err, tt.want, tt.err)
			}
			if _, forBuild := b.forBuild(t.Context(), "a.example"); strings.Contains(fmt.Sprint(err, forBuild), "Pl41n") {
				t.Errorf("what the helper said is told: %v, %v", err, forBuild)
			}
			if child, err := os.ReadFile(filepath.Join(b.dir, "child")); err == nil {
				var pid int
				if json.Unmarshal(child, &pid) != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
					t.Error("the child that was left did not live on")
				}
			}
		})
	}
	t.Run("one that buildx has for a repository", func(t *testing.T) {
		b := newBench(t, `{}`)
		b.helper("one", `echo 'login as me:Pl41nPa55 failed'; exit 3`)
		b.write("buildx/config/a.example/x/y/config.json", `{"credsStore": "one"}`)
		_, err := b.forBuild(t.Context(), "a.example", "repository:x/y:pull")
		if err == nil || !strings.Contains(err.Error(), "exit status 3") || strings.Contains(err.Error(), "Pl41n") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("it is not there", func(t *testing.T) {
		b := newBench(t, `{"credHelpers": {"a.example": "one"}}`)
		_, err := b.forBuild(t.Context(), "a.example")
		if err == nil || !strings.Contains(err.Error(), `docker-credential-one, which is to be asked for a.example, is not in PATH: install it, or take it out of "credHelpers" in `+b.dir) {
			t.Errorf("error %v", err)
		}
	})
}

// hangs is a helper that never answers, and has a pipe open while it runs, as has a child
// of its own.
func (b *bench) hangs() (ended *os.File) {
	b.t.Helper()
	pipe := filepath.Join(b.dir, "held")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		b.t.Fatal(err)
	}
	ended, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { ended.Close() })
	b.helper("one", `exec 3> "$DIR/held"; sleep 1000 & echo >&3; sleep 1000`)
	return ended
}

func (b *bench) checkEnded(ended *os.File) {
	b.t.Helper()
	ended.SetReadDeadline(time.Now().Add(10 * time.Second))
	if said, err := io.ReadAll(ended); err != nil || len(said) == 0 {
		b.t.Errorf("the helper said %q, and its end is %v", said, err)
	}
}

func TestHelperHangs(t *testing.T) {
	b := newBench(t, `{"credsStore": "one"}`)
	ended := b.hangs()
	b.store.limit = 300 * time.Millisecond
	want := "the credential helper docker-credential-one did not answer for a.example within 300ms: see what `echo a.example | docker-credential-one get` does, " +
		`or take it out of "credsStore" in ` + filepath.Join(b.dir, "config.json")
	// All that ask meanwhile, and shortly after, are told the same.
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := b.forImage(t.Context(), "a.example/x/y"); err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
	group.Wait()
	if _, err := b.forBuild(t.Context(), "b.example"); err == nil || !strings.Contains(err.Error(), "did not answer for b.example within") {
		t.Errorf("error %v", err)
	}
	b.checkEnded(ended)
	if asked := b.asked(); asked != "get a.example" {
		t.Errorf("it was asked %q", asked)
	}
}

func TestHelperEndsWithWhoAsked(t *testing.T) {
	b := newBench(t, `{"credsStore": "one"}`)
	ended := b.hangs()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the reason")
	var group sync.WaitGroup
	for range 2 { // one asks, one waits for its turn
		group.Go(func() {
			_, err := b.forBuild(ctx, "a.example")
			if !errors.Is(err, cause) || !strings.Contains(err.Error(), "docker-credential-one") || !strings.Contains(err.Error(), "a.example") {
				t.Errorf("error %v", err)
			}
		})
	}
	for b.asked() == "" {
		time.Sleep(time.Millisecond)
	}
	for { // it has started its child
		if n, _ := ended.Read(make([]byte, 1)); n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel(cause)
	group.Wait()
	ended.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(ended); err != nil {
		t.Errorf("the helper still runs: %v", err)
	}
}

func TestEmpty(t *testing.T) {
	if !isEmpty(types.AuthConfig{ServerAddress: "a.example"}) || isEmpty(types.AuthConfig{IdentityToken: "t"}) {
		t.Error("what is empty is told wrong")
	}
}
