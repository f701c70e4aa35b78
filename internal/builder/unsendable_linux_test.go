package builder

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/docker/buildx/build"
	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/internal/plan"
)

// asNobody does something without root's rights, which no mode stops, in a thread that ends with it.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		var err error
		if os.Getuid() == 0 {
			_, err = unix.SetfsuidRetUid(65534)
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// What no build can send is found below what is copied, unless it is left out.
func TestUnsendable(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "unsendable") // others may go there
	if err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"a/file": "", "named/n\xff": "", "private/file": "", "left/private/file": "", "some/private/file": "", ".dockerignore": "left\nsome/*\n!some/private/file\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, private := range []string{"private", "left/private"} {
		private = filepath.Join(dir, private)
		if err := os.Chmod(private, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(private, 0o700) })
	}
	job := &plan.Job{}
	job.Options.Inputs = build.Inputs{ContextPath: dir}
	var contexts Contexts
	asNobody(t, func() {
		for copied, want := range map[string]string{
			"/a": "", "a/file": "", "/left": "", "/some": "", "/none": "",
			"named":   `"` + dir + `/named/n\xff" cannot be sent: its name, or that of what it links to, is not UTF-8`,
			"private": `"` + dir + `/private" cannot be sent: permission denied`,
			"/":       `"` + dir + `/named/n\xff" cannot be sent: its name, or that of what it links to, is not UTF-8`,
		} {
			if got := contexts.Unsendable(t.Context(), job, copied); got != want {
				t.Errorf("of %s: %s, want %s", copied, got, want)
			}
		}
	})
}
