package labtest

import (
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
)

// Dockerd starts a docker daemon for the duration of a test, with a registry in the place of
// docker.io. An empty root stands for a temporary directory. The end of its log is printed when the
// test fails.
func Dockerd(t testing.TB, root string, dockerIO *lab.Registry) *lab.Dockerd {
	t.Helper()
	mustEnd(t)
	d, err := lab.StartDockerd(t.Context(), lab.DockerdOptions{Root: root, Mirror: dockerIO.Host()})
	Made(t, "start dockerd", err)
	t.Cleanup(func() {
		if t.Failed() {
			logTail(t, d.LogPath())
		}
		check(t, "close dockerd", d.Close())
	})
	return d
}

// BuildKit makes the image of docker-container builders in the registry that stands for docker.io.
func BuildKit(t testing.TB, dockerIO *lab.Registry) {
	t.Helper()
	Made(t, "make BuildKit's image", lab.MakeBuildKit(t.Context(), dockerIO.Host()))
}
