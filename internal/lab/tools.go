package lab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// binEnv names the environment variable that overrides where the binaries are looked for.
const binEnv = "STOKER_LAB_BIN"

// MissingError is what this machine, or this process, lacks for one of the lab's parts.
type MissingError struct {
	What string // a program, or "root" for its rights
	Why  string // for whom it is, or what to do to have it
}

func (e *MissingError) Error() string { return e.What + " " + e.Why }

// Root fails where this process has not the rights of root, which a part needs.
func Root(part string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return &MissingError{"root", "is needed for " + part}
}

// Tools are the paths of the binaries that the lab runs.
type Tools struct {
	Buildkitd string
	Buildctl  string
}

// FindTools finds buildkitd and buildctl: in the directory that STOKER_LAB_BIN names, else in
// .tools/bin of the repository around the working directory, else in PATH. The error says what
// is missing and how to make it.
func FindTools() (Tools, error) {
	buildkitd, err := findTool("buildkitd")
	if err != nil {
		return Tools{}, err
	}
	buildctl, err := findTool("buildctl")
	if err != nil {
		return Tools{}, err
	}
	return Tools{Buildkitd: buildkitd, Buildctl: buildctl}, nil
}

// FindBuildx finds the buildx command in the same places. Only the benchmarks need it, so only
// "tools/setup.sh bench" builds it.
func FindBuildx() (string, error) {
	path, err := findTool("buildx")
	if err != nil {
		return "", &MissingError{"buildx", "not found in .tools/bin or PATH: run `tools/setup.sh bench`"}
	}
	return path, nil
}

func findTool(name string) (string, error) {
	if dir := os.Getenv(binEnv); dir != "" {
		return toolIn(dir, name)
	}
	if root, err := RepoRoot(); err == nil {
		if path, err := toolIn(filepath.Join(root, ".tools", "bin"), name); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &MissingError{name, "not found in .tools/bin or PATH: run `make setup`"}
	}
	return path, nil
}

func toolIn(dir, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", &MissingError{name, "not found in " + dir + ": run `make setup`"}
	}
	return path, nil
}

// RepoRoot is the nearest directory at or above the working directory that holds a go.mod.
func RepoRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod at or above the working directory")
		}
		dir = parent
	}
}
