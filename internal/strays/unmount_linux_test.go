package strays_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/strays"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// What is mounted below a root goes, also one mount on another; the root itself
// may be a disk of its own, and stays.
func TestUnmount(t *testing.T) {
	labtest.Root(t, "a mount")
	root := t.TempDir()
	inner := filepath.Join(root, "a", "b")
	for _, dir := range []string{root, filepath.Join(root, "a"), inner, inner} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = unix.Unmount(root, unix.MNT_DETACH) }()
	busy, err := os.Create(filepath.Join(inner, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := strays.Unmount(root); err != nil {
		t.Fatal(err)
	}
	left, err := mountinfo.GetMounts(mountinfo.PrefixFilter(root))
	if err != nil || len(left) != 1 || left[0].Mountpoint != root {
		t.Errorf("still mounted: %+v (%v)", left, err)
	}
}
