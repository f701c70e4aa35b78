package builder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/moby/patternmatcher"

	"github.com/stoker-build/stoker/internal/plan"
)

// Lacks tells which of some paths are surely not in what a job's build is sent of its
// context on this machine, and whether that is for the .dockerignore.
func Lacks(job *plan.Job, paths []string) map[string]Lack {
	dir := filepath.Clean(job.Options.Inputs.ContextPath)
	matcher, err := patternmatcher.New(ignoredOf(job).patterns)
	if err != nil {
		return nil // the builder will say so
	}
	lacks := map[string]Lack{}
	for _, path := range paths {
		in := filepath.Clean("/" + path)[1:]
		if in == "" || throughLink(dir, in) {
			continue
		}
		_, err := os.Lstat(filepath.Join(dir, in))
		leftOut, wrong := matcher.MatchesOrParentMatches(in)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			lacks[path] = NotThere
		case err == nil && wrong == nil && leftOut && !matcher.Exclusions():
			lacks[path] = LeftOut
		}
	}
	return lacks
}

// Lack is why a path is not sent.
type Lack string

// The lacks.
const (
	NotThere Lack = "not there"
	LeftOut  Lack = "left out"
)

// throughLink tells whether there is a link in a directory on the way to a path in it.
func throughLink(dir, in string) bool {
	for ; in != "."; in = filepath.Dir(in) {
		if info, err := os.Lstat(filepath.Join(dir, in)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}
