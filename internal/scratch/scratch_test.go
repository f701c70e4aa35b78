package scratch

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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

// What no lock tells of goes when it is old, and is a directory of ours.
func TestOldDirectoriesGo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	used := newDir(t)
	hidden := filepath.Join(os.TempDir(), ".stoker-x-used")
	if err := os.Rename(used.Path, hidden); err != nil { // before it has its name
		t.Fatal(err)
	}
	stays := map[string]bool{hidden: true}
	for name, want := range map[string]bool{"stoker-dockerfile-1": false, ".stoker-x-1": false, "stoker-strange-1": true, ".other-x-1": true} {
		path := filepath.Join(os.TempDir(), name)
		if err := os.MkdirAll(filepath.Join(path, "0"), 0o700); err != nil {
			t.Fatal(err)
		}
		stays[path], stays[path+"-new"] = want, true
		if err := os.Mkdir(path+"-new", 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ballast := filepath.Join(os.TempDir(), ".stoker-x-file")
	if err := os.WriteFile(ballast, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stays[ballast] = true
	for path := range stays {
		if age := time.Now().Add(-2 * old); !strings.HasSuffix(path, "-new") {
			if err := os.Chtimes(path, age, age); err != nil {
				t.Fatal(err)
			}
		}
	}
	newDir(t)
	for path, want := range stays {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", path, err == nil, want)
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
