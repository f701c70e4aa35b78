package labtest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
)

// AllEnv names the environment variable that makes a part that cannot be had a failure. `make test`
// sets it, so that nothing is left out there.
const AllEnv = "STOKER_TEST_ALL"

// Made ends a test one of whose parts could not be made: the test fails, or is left out where the
// machine lacks what the part needs and not everything has to run.
func Made(t testing.TB, part string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case lacks(err) && os.Getenv(AllEnv) == "":
		leftOut.add(t.Name(), err)
		t.Skipf("%s: %v", part, err)
	default:
		t.Fatalf("%s: %v", part, err)
	}
}

// lacks tells whether the machine lacks a program, or this process the rights of root.
func lacks(err error) bool {
	var missing *lab.MissingError
	return errors.As(err, &missing) || errors.Is(err, exec.ErrNotFound)
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

// omissions are tests that were left out, and what each lacked first.
type omissions struct {
	mu    sync.Mutex
	tests map[string]string
}

func (o *omissions) add(test string, err error) {
	test, _, _ = strings.Cut(test, "/")
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tests == nil {
		o.tests = map[string]string{}
	}
	if _, there := o.tests[test]; !there {
		o.tests[test] = err.Error()
	}
}

// line says what was left out, why, and how to have it too; it is empty where nothing was.
func (o *omissions) line(where string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.tests) == 0 {
		return ""
	}
	tests := "1 test"
	if n := len(o.tests); n > 1 {
		tests = fmt.Sprintf("%d tests", n)
	}
	why := slices.Compact(slices.Sorted(maps.Values(o.tests)))
	return fmt.Sprintf("left out of %s: %s (%s); `sudo make test` runs everything\n", where, tests, strings.Join(why, "; "))
}

// tests are a package's tests, which tell at the end what was left out.
type tests struct{ *testing.M }

func (m tests) Run() int {
	code := m.M.Run()
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
// nothing when they pass. Elsewhere, and without go test, it is this process's own standard error.
func goOutput() *os.File {
	parent := fmt.Sprintf("/proc/%d", os.Getppid())
	if name, err := os.ReadFile(parent + "/comm"); err == nil && string(name) == "go\n" {
		if out, err := os.OpenFile(parent+"/fd/2", os.O_WRONLY|os.O_APPEND, 0); err == nil {
			return out
		}
	}
	return os.Stderr
}
