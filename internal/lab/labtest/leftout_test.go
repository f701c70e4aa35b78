package labtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
)

// A part that cannot be had leaves a test out, unless everything is to run; any other failure is one.
func TestMade(t *testing.T) {
	missing := fmt.Errorf("start: %w", &lab.MissingError{What: "root", Why: "is needed for buildkitd"})
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
			var told omissions
			test := &ending{TB: t, end: "goes on"}
			told.made(test, "start buildkitd", tt.err)
			if test.end != tt.want || (len(told.tests) > 0) != (tt.want == "left out") {
				t.Errorf("the test %s, and this is told: %q", test.end, told.line("here"))
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
	o.add("TestA/one", "root")
	if line, want := o.line("internal/cli"), "left out of internal/cli: 1 test that needs root; `sudo make test` runs all\n"; line != want {
		t.Errorf("%q, want %q", line, want)
	}
	o.add("TestA/two", "dockerd")
	o.add("TestC", "buildkitd")
	o.add("TestB", "root")
	if line, want := o.line("internal/cli"), "left out of internal/cli: 3 tests that need buildkitd, dockerd, root; `sudo make test` runs all\n"; line != want {
		t.Errorf("%q, want %q", line, want)
	}
}

// The line reaches the standard error of another process, and does not write over what that has.
func TestFileOf(t *testing.T) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sh", "-c", "echo one >&2; echo; read line; echo three >&2")
	other.Stderr = log
	in, err := other.StdinPipe()
	Made(t, "a pipe", err)
	out, err := other.StdoutPipe()
	Made(t, "a pipe", err)
	Made(t, "start a shell", other.Start())
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	file, err := fileOf(other.Process.Pid, 2)
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv(AllEnv) == "" {
		t.Skip("this machine does not let one process have a file of another's")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString("two\n")
	if err := errors.Join(err, file.Close(), in.Close(), other.Wait()); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(log.Name()); err != nil || string(text) != "one\ntwo\nthree\n" {
		t.Errorf("%q (%v)", text, err)
	}
}

// What has to pass for a change leaves nothing out: what "make test" skips, "make test-long" runs.
func TestMakeTestLeavesNothingOut(t *testing.T) {
	skipped, run := regexp.MustCompile(`-skip '\^Test\((.*?)\)\$'`), regexp.MustCompile(`-run '\^Test\((.*?)\)\$'`)
	short, long := goTests(t, "test"), goTests(t, "test-long")
	var left, made []string
	for _, line := range strings.Split(short+long, "\n") {
		for at, names := range map[*regexp.Regexp]*[]string{skipped: &left, run: &made} {
			if found := at.FindStringSubmatch(line); found != nil {
				*names = append(*names, strings.Split(found[1], "|")...)
			}
		}
	}
	slices.Sort(left)
	slices.Sort(made)
	if len(left) == 0 || !slices.Equal(left, made) {
		t.Errorf("make test skips %q, and make test-long runs %q", left, made)
	}
	// A package that is named in the commands has one of its own, or is left out of the last.
	for _, dir := range packagesWith(t, left) {
		if dir != "internal/cli" && !strings.Contains(short, "./"+dir+" ") {
			t.Errorf("make test skips a test of %s, too", dir)
		}
	}
}

// packagesWith are the directories that have tests of some names.
func packagesWith(t *testing.T, names []string) (dirs []string) {
	t.Helper()
	root, err := lab.RepoRoot()
	if err != nil {
		t.Fatal(err)
	}
	found, err := exec.Command("grep", "-rlE", "--include=*_test.go", `^func Test(`+strings.Join(names, "|")+`)\(`, root).Output()
	Made(t, "grep", err)
	for _, path := range strings.Fields(string(found)) {
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// goTests are the commands that run tests for a target of the Makefile.
func goTests(t *testing.T, target string) string {
	t.Helper()
	root, err := lab.RepoRoot()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "--dry-run", "--no-print-directory", "--directory", root, target)
	out, err := cmd.Output()
	Made(t, "make", err)
	lines := regexp.MustCompile(`(?m)^.*\bgo test\b.*$`).FindAllString(string(out), -1)
	if len(lines) == 0 {
		t.Errorf("make %s runs no test:\n%s", target, out)
	}
	for _, line := range lines {
		if !strings.Contains(line, AllEnv+"=1 ") {
			t.Errorf("it may leave out what it has no parts for: %s", line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
