package labtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/plural"
)

// AllEnv names the environment variable that makes a part that cannot be had a failure. `make test`
// sets it, so that nothing is left out there.
const AllEnv = "STOKER_TEST_ALL"

// Made ends a test one of whose parts could not be made: the test fails, or is left out where the
// machine lacks what the part needs and not everything has to run.
func Made(t testing.TB, part string, err error) {
	t.Helper()
	leftOut.made(t, part, err)
}

func (o *omissions) made(t testing.TB, part string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case lacked(err) != "" && os.Getenv(AllEnv) == "":
		o.add(t.Name(), lacked(err))
		t.Skipf("%s: %v", part, err)
	default:
		t.Fatalf("%s: %v", part, err)
	}
}

// lacked names what the machine, or this process, lacks; it is empty where an error is another.
func lacked(err error) string {
	var missing *lab.MissingError
	var program *exec.Error
	switch {
	case errors.As(err, &missing):
		return missing.What
	case errors.As(err, &program) && errors.Is(err, exec.ErrNotFound):
		return program.Name
	default:
		return ""
	}
}

// Root makes a test one that needs the rights of root, for what the part's name says.
func Root(t testing.TB, part string) {
	t.Helper()
	Made(t, part, lab.Root(part))
}

// Tools are the programs that the lab runs.
func Tools(t testing.TB) lab.Tools {
	t.Helper()
	tools, err := lab.FindTools()
	Made(t, "BuildKit's programs", err)
	return tools
}

// leftOut is what the tests of this process's package left out.
var leftOut omissions

// omissions are the names of tests that were left out, and what they lacked.
type omissions struct {
	mu            sync.Mutex
	tests, lacked []string
}

func (o *omissions) add(test, lacked string) {
	test, _, _ = strings.Cut(test, "/")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tests, o.lacked = append(o.tests, test), append(o.lacked, lacked)
}

// line says what was left out, why, and how to have it too; it is empty where nothing was.
func (o *omissions) line(where string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	tests, need := distinct(o.tests), "that need"
	switch len(tests) {
	case 0:
		return ""
	case 1:
		need = "that needs"
	}
	return fmt.Sprintf("left out of %s: %s %s %s; `sudo make test` runs all\n",
		where, plural.Of(len(tests), "test"), need, strings.Join(distinct(o.lacked), ", "))
}

func distinct(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

// tests are a package's tests, which tell at the end what was left out.
type tests struct{ *testing.M }

func (m tests) Run() int {
	remove := useMemory()
	code := m.M.Run()
	remove()
	if line := leftOut.line(packagePath()); line != "" {
		_, _ = io.WriteString(goOutput(), line)
	}
	return code
}

// packagePath is the directory of the package, as seen from the repository's root.
func packagePath() string {
	dir, err := os.Getwd()
	if err != nil {
		return "this package"
	}
	root, err := lab.RepoRoot()
	if err != nil {
		return dir
	}
	path, err := filepath.Rel(root, dir)
	if err != nil {
		return dir
	}
	return path
}

// goOutput is where go test itself tells of errors: of what the tests of a package print, it shows
// nothing when they pass. Without go test, and where it cannot be reached, it is this process's own
// standard error.
func goOutput() *os.File {
	parent := os.Getppid()
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent))
	if err != nil || string(name) != "go\n" {
		return os.Stderr
	}
	if out, err := fileOf(parent, 2); err == nil {
		return out
	}
	return os.Stderr
}

// fileOf is an open file of another process's. It is shared, since go test would write over what
// was added to a file that was opened anew; only where that is forbidden a terminal or a pipe is.
func fileOf(pid, fd int) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(process)
	if shared, err := unix.PidfdGetfd(process, fd, 0); err == nil {
		return os.NewFile(uintptr(shared), path), nil
	}
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.ErrUnsupported)
	}
	return os.OpenFile(path, os.O_WRONLY, 0)
}
