package builder

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// parts are the programs that a private builder consists of.
type parts struct {
	buildkitd   string
	rootlesskit string // empty for root
}

// command is how to run the daemon: as it is for root, else in a user namespace
// of rootlesskit.
func (p parts) command() []string {
	if p.rootlesskit == "" {
		return []string{p.buildkitd}
	}
	return []string{p.rootlesskit, "--net=host", "--copy-up=/etc", "--copy-up=/run", p.buildkitd, "--rootless"}
}

// findParts looks for what a user needs to run a private builder, on a search
// path: buildkitd, where it was not said where that is, runc under one of the names
// that buildkitd would run, and rights. All that is missing is told at once, as a
// *missingError.
func findParts(buildkitd, path string, uid int, runc []string) (parts, error) {
	var p parts
	var missing missingError
	var err error
	if p.buildkitd, err = findBuildkitd(buildkitd, path); err != nil {
		return p, err
	}
	if p.buildkitd == "" {
		missing.lacks("buildkitd", "`make build` in a clone of Stoker puts one beside stoker; so does a release of BuildKit\n"+
			"    (https://github.com/moby/buildkit/releases) that is unpacked there or onto PATH; --buildkitd names one elsewhere")
	}
	if lookPath(path, runc...) == "" {
		missing.lacks(runc[len(runc)-1], "apt-get install "+runc[len(runc)-1])
	}
	if uid != 0 {
		p.rootlesskit = lookPath(path, "rootlesskit")
		if p.rootlesskit == "" {
			missing.lacks("the rights of root", "run stoker as root; or apt-get install rootlesskit uidmap, to do without")
		} else if lookPath(path, "newuidmap") == "" {
			missing.lacks("newuidmap", "apt-get install uidmap; or run stoker as root")
		}
	}
	if len(missing.what) > 0 {
		return p, &missing
	}
	return p, nil
}

// missingError says what a private builder needs and this machine does not have.
type missingError struct {
	what, remedies []string
}

func (e *missingError) lacks(what, remedy string) {
	e.what = append(e.what, what)
	e.remedies = append(e.remedies, fmt.Sprintf("  %s: %s", what, remedy))
}

func (e *missingError) Error() string { return "missing: " + strings.Join(e.what, ", ") }

// findBuildkitd looks for buildkitd where it was said to be, else beside this
// program, else on a search path; empty where it is not there.
func findBuildkitd(asked, path string) (string, error) {
	if asked != "" {
		path, err := exec.LookPath(asked)
		if err != nil {
			return "", fmt.Errorf("--buildkitd: %w", err)
		}
		return filepath.Abs(path)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "buildkitd")
		if found, err := exec.LookPath(beside); err == nil {
			return found, nil
		}
	}
	return lookPath(path, "buildkitd"), nil
}

// The names of runc that BuildKit looks for where it is told none
// (executor/runcexecutor/executor.go, v0.34).
var runcNames = []string{"buildkit-runc", "runc"}

// searchPath is PATH and where Debian puts runc, which is not on everybody's.
func searchPath() string { return os.Getenv("PATH") + ":/usr/local/sbin:/usr/sbin:/sbin" }

// lookPath finds the first of some programs that is there; empty where none is.
func lookPath(path string, names ...string) string {
	for _, name := range names {
		dirs := filepath.SplitList(path)
		if filepath.IsAbs(name) {
			dirs = []string{"/"}
		}
		for _, dir := range dirs {
			if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil && filepath.IsAbs(found) {
				return found
			}
		}
	}
	return ""
}

// remedies are lines that say how to get what is missing, where that is what an
// error tells.
func remedies(err error) []string {
	var missing *missingError
	if !errors.As(err, &missing) {
		return nil
	}
	return append([]string{"For a private builder this machine lacks (the packages are those of Debian and Ubuntu):"}, missing.remedies...)
}
