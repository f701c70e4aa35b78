package lab_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestSyntaxLineThroughMirror(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Bases(t, registry, tiny)[0]
	builder := labtest.Builder(t, registry)
	labtest.Frontends(t, registry)
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: lab.Mirrored(registry.Host(), "docker.io")})
	for _, syntax := range []string{"docker/dockerfile:1", "docker/dockerfile:1.7"} {
		registry.Reset()
		push := registry.Host() + "/agent/first:t"
		err := daemon.Build(t.Context(), lab.Build{
			Dir:  labtest.Agent(t, lab.Agent{OwnCacheBytes: 5000, Syntax: syntax}),
			Args: map[string]string{"BASE_IMAGE": base.At("docker.io"), "BUILDER_IMAGE": builder.At("docker.io")},
			Push: push,
		})
		if err != nil {
			t.Errorf("%s: %v", syntax, err)
			continue
		}
		if got := labtest.Files(t, push)["/opt/agent/own-cache"].Size; got != 5000 {
			t.Errorf("%s: own cache has %d bytes, want 5000", syntax, got)
		}
		if registry.Requests().ManifestHeads[syntax] == 0 {
			t.Errorf("%s was not asked for: %v", syntax, registry.Requests().ManifestHeads)
		}
	}
}

// COPY --exclude came to the syntax after 1.7.
func TestOldFrontendIsOld(t *testing.T) {
	registry := labtest.Registry(t)
	labtest.Frontends(t, registry)
	labtest.Image(t, registry, lab.Image{Name: "python:3.13"})
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: lab.Mirrored(registry.Host(), "docker.io")})
	build := func(syntax string) error {
		dir := t.TempDir()
		text := "# syntax=" + syntax + "\nFROM python:3.13\nCOPY --exclude=*.txt . /copied/\n"
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return daemon.Build(t.Context(), lab.Build{Dir: dir})
	}
	if err := build("docker/dockerfile:1"); err != nil {
		t.Errorf("the current frontend: %v", err)
	}
	if err := build("docker/dockerfile:1.7"); err == nil || !strings.Contains(err.Error(), "exclude") {
		t.Errorf("the old frontend: %v", err)
	}
}

// As BuildKit does it: what one does not have or does not answer, the next is asked for.
func TestMirrorsAreAskedBeforeTheOrigin(t *testing.T) {
	mirror, origin := labtest.Registry(t), labtest.Registry(t)
	for registry, names := range map[*lab.Registry][]string{
		mirror: {"example/both", "example/mirrored"},
		origin: {"example/both", "example/origin"},
	} {
		for _, name := range names {
			labtest.Image(t, registry, lab.Image{Name: name})
		}
	}
	for name, upstream := range map[string]lab.Upstream{
		"origin": {Name: "docker.io", Mirrors: []string{mirror.Host()}, Origin: origin.Host()},
		"second": {Name: "docker.io", Mirrors: []string{mirror.Host(), origin.Host()}},
	} {
		t.Run(name, func(t *testing.T) {
			daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: []lab.Upstream{upstream}})
			reads := func(image string) error {
				mirror.Reset()
				origin.Reset()
				_, err := daemon.Buildctl(t.Context(), "prune", "--all")
				if err != nil {
					t.Fatal(err)
				}
				return daemon.Build(t.Context(), fromBase(t, lab.Base{Ref: image}, "RUN echo hello > /hello"))
			}
			for image, from := range map[string]*lab.Registry{
				"example/both":     mirror,
				"example/mirrored": mirror,
				"example/origin":   origin,
			} {
				if err := reads(image); err != nil {
					t.Errorf("%s: %v", image, err)
				}
				if from.Requests().ByKind[lab.KindBlob] == 0 {
					t.Errorf("%s was read elsewhere", image)
				}
			}
			if err := reads("example/none"); err == nil || !strings.Contains(err.Error(), "not found") {
				t.Errorf("an image that nobody has: %v", err)
			}
			remove := mirror.Inject(lab.Fault{Status: http.StatusServiceUnavailable})
			if err := reads("example/both"); err != nil || origin.Requests().ByKind[lab.KindBlob] == 0 {
				t.Errorf("with a mirror that is unwell: %v", err)
			}
			remove()
		})
	}
}

func TestPushGoesToTheOrigin(t *testing.T) {
	mirror, origin := labtest.Registry(t), labtest.Registry(t)
	base := labtest.Image(t, mirror, lab.Image{Name: "example/mirrored"})
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: []lab.Upstream{
		{Name: "docker.io", Mirrors: []string{mirror.Host()}, Origin: origin.Host()},
	}})
	origin.RequireAuth(lab.Auth{User: "user", Password: "secret", TokenTTL: time.Hour})
	build := fromBase(t, lab.Base{Ref: base.At("docker.io")}, "RUN echo hello > /hello")
	build.Push = "docker.io/example/built:1"
	if err := daemon.Build(t.Context(), build); err == nil || !strings.Contains(err.Error(), "401 Unauthorized") {
		t.Errorf("pushed without the origin's password: %v", err)
	}
	origin.AllowAll()
	if err := daemon.Build(t.Context(), build); err != nil {
		t.Fatal(err)
	}
	if got := string(labtest.Files(t, origin.Host()+"/example/built:1")["/hello"].Content); got != "hello\n" {
		t.Errorf("the origin has %q", got)
	}
	if puts := mirror.Requests().ManifestPuts; len(puts) > 0 {
		t.Errorf("pushed to the mirror: %v", puts)
	}
}

func TestOutsideIsOutOfReach(t *testing.T) {
	registry := labtest.Registry(t)
	labtest.Image(t, registry, lab.Image{Name: "example/mirrored"})
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: append(
		lab.Mirrored(registry.Host(), "docker.io"),
		lab.Upstream{Name: "quay.io"},
	)})
	for image, want := range map[string]string{
		"quay.io/example/mirrored": "connection refused",
		// Of what no upstream is said, nothing can be reached either.
		"ghcr.io/example/mirrored": "connection refused",
		// BuildKit gives the mirror's answer where the origin gave none.
		"example/none": "not found",
	} {
		err := daemon.Build(t.Context(), fromBase(t, lab.Base{Ref: image}, "RUN true"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", image, err, want)
		}
	}
	if err := daemon.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Build(t.Context(), fromBase(t, lab.Base{Ref: "example/mirrored"}, "RUN true")); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// The environment that leads a daemon's requests must not reach steps.
func TestStepsDoNotSeeTheDaemonsProxy(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Image(t, registry, lab.Image{Name: "example/base"})
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: lab.Mirrored(registry.Host(), "docker.io")})
	build := fromBase(t, base, "RUN env > /env.txt")
	build.Push = registry.Host() + "/built:1"
	if err := daemon.Build(t.Context(), build); err != nil {
		t.Fatal(err)
	}
	if env := string(labtest.Files(t, build.Push)["/env.txt"].Content); strings.Contains(strings.ToLower(env), "proxy") {
		t.Errorf("a step's environment is\n%s", env)
	}
}
