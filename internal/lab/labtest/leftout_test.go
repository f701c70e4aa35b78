package labtest

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
)

// A part that cannot be had leaves a test out, unless everything is to run; any other failure is one.
func TestMade(t *testing.T) {
	missing := fmt.Errorf("start: %w", &lab.MissingError{Part: "buildkitd", Remedy: "needs root"})
	for _, tt := range []struct {
		name, all, want string
		err             error
	}{
		{"made", "", "goes on", nil},
		{"made where all has to run", "1", "goes on", nil},
		{"missing", "", "left out", missing},
		{"a program is missing", "", "left out", &exec.Error{Name: "mkfs.ext4", Err: exec.ErrNotFound}},
		{"missing where all has to run", "1", "fails", missing},
		{"broken", "", "fails", errors.New("it is broken")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(AllEnv, tt.all)
			before := leftOut.tests
			defer func() { leftOut.tests = before }()
			leftOut.tests = nil
			test := &ending{TB: t, end: "goes on"}
			Made(test, "start buildkitd", tt.err)
			if told := leftOut.line("here"); test.end != tt.want || (told != "") != (tt.want == "left out") {
				t.Errorf("the test %s, and this is told: %q", test.end, told)
			}
		})
	}
}

// ending is a test that remembers how it was ended, and goes on.
type ending struct {
	testing.TB
	end string
}

func (e *ending) Skipf(string, ...any)  { e.end = "left out" }
func (e *ending) Fatalf(string, ...any) { e.end = "fails" }

func TestOmissions(t *testing.T) {
	var o omissions
	if line := o.line("internal/cli"); line != "" {
		t.Errorf("of nothing: %q", line)
	}
	root, disk := lab.MissingError{Part: "buildkitd", Remedy: "needs root"}, lab.MissingError{Part: "a disk", Remedy: "needs root"}
	o.add("TestA/one", &root)
	if line, want := o.line("internal/cli"), "left out of internal/cli: 1 test (buildkitd: needs root); `sudo make test` runs everything\n"; line != want {
		t.Errorf("%q, want %q", line, want)
	}
	o.add("TestA/two", &disk)
	o.add("TestB", &root)
	o.add("TestC", &disk)
	if line, want := o.line("internal/cli"), "left out of internal/cli: 3 tests (a disk: needs root; buildkitd: needs root); `sudo make test` runs everything\n"; line != want {
		t.Errorf("%q, want %q", line, want)
	}
}

// What has to pass for a change leaves nothing out.
func TestMakeTestLeavesNothingOut(t *testing.T) {
	root, err := lab.RepoRoot()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "--dry-run", "--no-print-directory", "--directory", root, "test")
	out, err := cmd.Output()
	Made(t, "make", err)
	lines := regexp.MustCompile(`(?m)^.*\bgo test\b.*$`).FindAllString(string(out), -1)
	if len(lines) == 0 {
		t.Errorf("make test runs no test:\n%s", out)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, AllEnv+"=1 ") {
			t.Errorf("it may leave out what it has no parts for: %s", line)
		}
	}
}
