package labtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// program is the real program, made once for all tests of a package: a file that stays open is there
// after the test that made it.
var program struct {
	sync.Mutex
	file *os.File
}

// Stoker builds the real program, for tests that kill it, and gives its path.
func Stoker(t testing.TB) string {
	t.Helper()
	program.Lock()
	defer program.Unlock()
	if program.file == nil {
		program.file = build(t)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), program.file.Fd())
}

// build compiles with -trimpath, as `make build` does, so that what that has compiled is not compiled
// anew, and without what only debuggers read, which takes most of the time of linking.
func build(t testing.TB) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stoker")
	out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-w", "-o", path, "github.com/stoker-build/stoker/cmd/stoker").CombinedOutput()
	if err != nil {
		t.Fatalf("build stoker: %v\n%s", err, out)
	}
	file, err := os.Open(path)
	Made(t, "open stoker", err)
	return file
}
