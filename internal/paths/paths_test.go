//go:build unix

package paths

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tree makes a directory with a file, links and a pipe.
func tree(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(filepath.Join(dir, "real"), 0o755))
	check(os.WriteFile(filepath.Join(dir, "real/file"), []byte("old"), 0o600))
	for link, to := range map[string]string{"lnk": "real", "toFile": "lnk/file", "toNew": "lnk/new", "chain": "toNew", "loop": "loop", "gone": "missing/../gone/x"} {
		check(os.Symlink(to, filepath.Join(dir, link)))
	}
	check(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	check(os.Symlink("pipe", filepath.Join(dir, "toPipe")))
	return dir
}

func TestReal(t *testing.T) {
	dir := tree(t)
	for path, want := range map[string]string{
		"real/file": "real/file", "toFile": "real/file", "lnk/a/b": "real/a/b", "toNew": "real/new", "chain": "real/new",
		"lnk/../x": "x", "loop": "", "gone": "",
	} {
		real, err := Real(dir + "/" + path)
		if want == "" && err == nil || want != "" && (err != nil || real != filepath.Join(dir, want)) {
			t.Errorf("%s leads to %q (%v), want %q", path, real, err, want)
		}
	}
}

// Links stay, and what they lead to is written.
func TestWrite(t *testing.T) {
	dir := tree(t)
	for path, real := range map[string]string{"toFile": "real/file", "chain": "real/new", "plain": "plain"} {
		before, _ := os.Lstat(filepath.Join(dir, path))
		if err := Write(filepath.Join(dir, path), []byte(path)); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, real))
		if err != nil || string(data) != path {
			t.Errorf("%s: %q (%v)", path, data, err)
		}
		if after, err := os.Lstat(filepath.Join(dir, path)); err != nil || before != nil && after.Mode() != before.Mode() {
			t.Errorf("%s has become %v (%v)", path, after, err)
		}
	}
	if err := Remove(filepath.Join(dir, "toFile")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "real/file")); err == nil {
		t.Error("what the link leads to is still there")
	}
	if _, err := os.Lstat(filepath.Join(dir, "toFile")); err != nil {
		t.Error(err)
	}
}

// A pipe is written to, by itself or by a link, and stays.
func TestWriteToPipe(t *testing.T) {
	dir := tree(t)
	pipe := filepath.Join(dir, "pipe")
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, path := range []string{"pipe", "toPipe"} {
		if err := Remove(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
		if err := Write(filepath.Join(dir, path), []byte(path)); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 100)
		n, err := reader.Read(data)
		if err != nil || string(data[:n]) != path {
			t.Errorf("read %q (%v)", data[:n], err)
		}
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("the pipe has become %v (%v)", info, err)
	}
}

// What standard output has so far stays, whatever its file is called.
func TestWriteToStdout(t *testing.T) {
	dir := tree(t)
	f, err := os.OpenFile(filepath.Join(dir, "real/file"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stdout := os.Stdout
	os.Stdout = f
	defer func() { os.Stdout = stdout }()
	if err := Remove(filepath.Join(dir, "toFile")); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "toFile"), []byte(" new")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(" more"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "real/file"))
	if err != nil || string(data) != "old new more" {
		t.Errorf("standard output has %q (%v)", data, err)
	}
}

func TestChecker(t *testing.T) {
	dir := tree(t)
	check := Checker()
	for path, says := range map[string]string{
		"real/file": "", "chain": "", "pipe": "", "new": "", "real": "is a directory", "lnk": "is a directory", "new/": "is a directory",
		"missing/x": "there is no directory", "real/file/x": "not a directory", "loop": "too many links",
	} {
		err := check(dir + "/" + path)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*", ".stoker-*"))
	if len(left) > 0 {
		t.Errorf("the check has left %s", left)
	}
}
