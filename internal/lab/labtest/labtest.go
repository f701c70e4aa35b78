// Package labtest gives tests the lab's parts with their cleanup registered.
// A part that cannot be made fails the test at once, or leaves it out: see Made. A test that has one
// and does not end is told of: see mustEnd.
package labtest

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/stoker-build/stoker/internal/lab"
)

// Main runs a package's tests, for its TestMain, and fails when they leave a goroutine behind. It
// tells what was left out.
func Main(m *testing.M) {
	goleak.VerifyTestMain(tests{m},
		// Each registry keeps one goroutine of its event queue, and each BuildKit client that was
		// made through buildx one of its trace exporter. Neither library gives a way to end it.
		goleak.IgnoreTopFunction("github.com/docker/go-events.(*Broadcaster).run"),
		goleak.IgnoreTopFunction("github.com/moby/buildkit/util/tracing/otlptracegrpc.(*Connection).indefiniteBackgroundConnection"))
}

// Registry starts a registry for the duration of a test, in memory where there is room.
func Registry(t testing.TB) *lab.Registry {
	t.Helper()
	return RegistryWith(t, lab.RegistryOptions{InMemory: true})
}

// RegistryWith starts a registry with options for the duration of a test.
func RegistryWith(t testing.TB, opts lab.RegistryOptions) *lab.Registry {
	t.Helper()
	mustEnd(t)
	r, err := lab.StartRegistry(t.Context(), opts)
	Made(t, "start registry", err)
	t.Cleanup(func() { check(t, "close registry", r.Close()) })
	return r
}

// Buildkitd starts a BuildKit daemon that reads from and pushes to the registries, for the
// duration of a test. The end of its log is printed when the test fails.
func Buildkitd(t testing.TB, registries ...*lab.Registry) *lab.Buildkitd {
	t.Helper()
	return BuildkitdWith(t, lab.BuildkitdOptions{}, registries...)
}

// BuildkitdWith starts a BuildKit daemon with options for the duration of a test.
func BuildkitdWith(t testing.TB, opts lab.BuildkitdOptions, registries ...*lab.Registry) *lab.Buildkitd {
	t.Helper()
	mustEnd(t)
	for _, r := range registries {
		opts.Insecure = append(opts.Insecure, r.Host())
	}
	d, err := lab.StartBuildkitd(t.Context(), opts)
	Made(t, "start buildkitd", err)
	t.Cleanup(func() {
		if t.Failed() {
			logTail(t, d.LogPath())
		}
		check(t, "close buildkitd", d.Close())
	})
	return d
}

// Disk makes a real file system of size bytes for the duration of a test.
func Disk(t testing.TB, size int64) *lab.Disk {
	t.Helper()
	mustEnd(t)
	d, err := lab.NewDisk(size)
	Made(t, "make disk", err)
	t.Cleanup(func() { check(t, "close disk", d.Close()) })
	return d
}

// Bases makes the images of a shape in a registry and sets the registry's counts to zero.
func Bases(t testing.TB, r *lab.Registry, shape lab.Shape) []lab.Base {
	t.Helper()
	bases, err := lab.MakeBases(t.Context(), r.Host(), shape)
	Made(t, "make base images", err)
	r.Reset()
	return bases
}

// Builder makes the image that agents are copied from and sets the registry's counts to zero.
func Builder(t testing.TB, r *lab.Registry) lab.Base {
	t.Helper()
	base, err := lab.MakeBuilder(t.Context(), r.Host(), 1<<10, 1)
	Made(t, "make builder image", err)
	r.Reset()
	return base
}

// Image makes one base image in a registry and sets the registry's counts to zero.
func Image(t testing.TB, r *lab.Registry, image lab.Image) lab.Base {
	t.Helper()
	base, err := lab.MakeImage(t.Context(), r.Host(), image)
	Made(t, "make image", err)
	r.Reset()
	return base
}

// Index makes images for several platforms under one public reference in a registry, and sets the
// registry's counts to zero.
func Index(t testing.TB, r *lab.Registry, public string, images ...lab.Image) lab.Index {
	t.Helper()
	index, err := lab.MakeIndex(t.Context(), r.Host(), public, images...)
	Made(t, "make index", err)
	r.Reset()
	return index
}

// Frontends puts docker/dockerfile:1 and docker/dockerfile:1.7 into a registry and sets the
// registry's counts to zero. A daemon needs the registry as a mirror of docker.io (lab.Mirrored) to
// find them there.
func Frontends(t testing.TB, r *lab.Registry) {
	t.Helper()
	Made(t, "push frontends", lab.PushFrontends(t.Context(), r.Host()))
	r.Reset()
}

// Tally starts a tally of steps for the duration of a test.
func Tally(t testing.TB) *lab.Tally {
	t.Helper()
	mustEnd(t)
	tally, err := lab.StartTally(t.Context())
	Made(t, "start tally", err)
	t.Cleanup(func() { check(t, "close tally", tally.Close()) })
	return tally
}

// Agent writes the standard agent Dockerfile and its build context, and gives the context's
// directory; the Dockerfile has its usual name there.
func Agent(t testing.TB, agent lab.Agent) string {
	t.Helper()
	dir := t.TempDir()
	_, err := lab.WriteAgent(dir, agent)
	Made(t, "write agent context", err)
	return dir
}

// Files is the file system of an image in one of the lab's registries.
func Files(t testing.TB, ref string) map[string]lab.File {
	t.Helper()
	files, err := lab.Files(context.Background(), ref)
	Made(t, "read image", err)
	return files
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// logTail prints the end of a log.
func logTail(t testing.TB, path string) {
	t.Helper()
	const keep = 4000
	text, err := os.ReadFile(path)
	if err != nil {
		// The test closed the daemon itself, which removes the log.
		return
	}
	t.Logf("end of %s:\n%s", path, text[max(0, len(text)-keep):])
}
