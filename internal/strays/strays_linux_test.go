package strays

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// What is mounted below a root goes, also one mount on another; the root itself
// may be a disk of its own, and stays.
func TestUnmount(t *testing.T) {
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
	if err := Unmount(root); err != nil {
		t.Fatal(err)
	}
	left, err := mountinfo.GetMounts(mountinfo.PrefixFilter(root))
	if err != nil || len(left) != 1 || left[0].Mountpoint != root {
		t.Errorf("still mounted: %+v (%v)", left, err)
	}
}

func TestBundleUnder(t *testing.T) {
	for text, want := range map[string]bool{
		`{"config":{"labels":["x=y","bundle=/state/root/executor/abc"]}}`: true,
		`{"config":{"labels":["bundle=/state/root2/executor/abc"]}}`:      false,
		`{"config":{}}`: false,
		`{"config":`:    false,
		``:              false,
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := bundleUnder(path, "/state/root"); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if bundleUnder("/does/not/exist", "/state/root") {
		t.Error("a state that is gone")
	}
}
