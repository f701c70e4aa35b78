//go:build unix

package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whoever hands over a record may have written anything into it: only files below its own
// directory are read, and only their ends.
func TestLogsOfOthers(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	secret := filepath.Join(elsewhere, LogsDir, "a", "attempt-1.log")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := func(name string) string { return filepath.Join(dir, LogsDir, "a", name) }
	write(secret, "secret\n")
	write(log("long.log"), "first\n"+strings.Repeat("x", tailBytes)+"\none\r\n\ntwo\n")
	write(filepath.Join(dir, LogsDir, "a", "directory", "file"), "")
	for link, to := range map[string]string{"link.log": secret, "zero.log": "/dev/zero"} {
		if err := os.Symlink(to, log(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(log("pipe.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/etc/passwd", "/dev/zero", secret, log("link.log"), log("zero.log"), log("pipe.log"), log("directory"), log("none.log"), ""} {
		if tail := Tail(dir, path, 5); len(tail) > 0 {
			t.Errorf("of %s there is %q", path, tail)
		}
	}
	if tail := Tail(dir, "moved/since/logs/a/long.log", 2); strings.Join(tail, "|") != "one|two" {
		t.Errorf("the end of a log: %q", tail)
	}
	if tail := Tail(dir, log("long.log"), 9); len(tail) != 3 {
		t.Errorf("of a long log %d lines are read", len(tail))
	}
}
