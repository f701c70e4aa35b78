package scratch

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A directory stays while it is in use, whoever makes another, and goes when its
// process has ended without a word. Others' directories are left alone.
func TestLeftDirectoriesGo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	used, left, strange := newDir(t), newDir(t), filepath.Join(os.TempDir(), "stoker-strange-1")
	if err := left.lock.Close(); err != nil { // as the end of a process does
		t.Fatal(err)
	}
	if err := os.Mkdir(strange, 0o700); err != nil {
		t.Fatal(err)
	}
	another := newDir(t)
	for path, want := range map[string]bool{used.Path: true, another.Path: true, strange: true, left.Path: false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", path, err == nil, want)
		}
	}
	for _, d := range []*Dir{used, another} {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(d.Path); err == nil {
			t.Errorf("%s is there after its end", d.Path)
		}
	}
}

// Many that begin at once do not take each other's directories.
func TestManyAtOnce(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 20 {
				d, err := New("x")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(d.Path, "mine"), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func newDir(t *testing.T) *Dir {
	t.Helper()
	d, err := New("x")
	if err != nil {
		t.Fatal(err)
	}
	return d
}
