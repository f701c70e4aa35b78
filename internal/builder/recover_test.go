package builder

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// A private daemon that cannot start again while its disk is full comes back once there is
// room, however often it has ended at once until then.
func TestPrivateDaemonOnAFullDisk(t *testing.T) {
	disk, state := labtest.Disk(t, 64<<20), t.TempDir()
	if err := os.Mkdir(filepath.Join(state, "buildkit"), 0o700); err != nil {
		t.Fatal(err)
	}
	// Only its cache is there: what else it writes has room.
	if err := os.Symlink(disk.Path(), filepath.Join(state, "buildkit", "root")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", filepath.Join(state, "no-docker"))
	t.Setenv("DOCKER_HOST", "unix:///does/not/exist/docker.sock")
	b, err := Connect(t.Context(), Options{StateDir: state, Buildkitd: labtest.Tools(t).Buildkitd})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if !b.Nodes()[0].End() || !b.private.HasEnded() {
		t.Fatal("it cannot be ended")
	}
	if err := disk.FillUp(); err != nil {
		t.Fatal(err)
	}
	log, back := b.private.Log(), make(chan error, 1)
	go func() { back <- b.Nodes()[0].Recover(t.Context(), 0) }()
	for starts := 0; starts <= maxStarts; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		starts = bytes.Count(text, []byte("no space left on device"))
		select {
		case err := <-back:
			t.Fatalf("on a full disk it is back, or given up, after %d starts: %v", starts, err)
		default:
		}
	}
	if err := disk.Unfill(); err != nil {
		t.Fatal(err)
	}
	if err := <-back; err != nil {
		t.Error(err)
	}
}
