package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/docker/buildx/util/osutil"
	"github.com/moby/patternmatcher"

	"github.com/stoker-build/stoker/internal/plan"
)

// badName names a file in a job's contexts whose name, or whose link, is not UTF-8, and
// says what to do; empty where none is found. BuildKit does not say which it is.
func badName(job *plan.Job) string {
	in := job.Options.Inputs
	if path := badNameIn(in.ContextPath, ignoredOf(job)); path != "" {
		return renameIt(path)
	}
	for _, name := range slices.Sorted(maps.Keys(in.NamedContexts)) {
		dir := in.NamedContexts[name].Path
		ignore, _ := ignoredIn(filepath.Join(dir, ".dockerignore")) // there may be none
		if path := badNameIn(dir, ignore); path != "" {
			return renameIt(path)
		}
	}
	return ""
}

func renameIt(path string) string {
	return fmt.Sprintf("%q: rename it, or leave it out with a .dockerignore", path)
}

// badNameIn returns the path of the first such file in a directory that is not left out.
func badNameIn(dir string, ignore ignored) string {
	if !osutil.IsLocalDir(dir) {
		return ""
	}
	path, why := unsendable(context.Background(), dir, dir, ignore)
	if !errors.Is(why, errBadName) {
		return ""
	}
	return path
}

var errBadName = errors.New("its name, or that of what it links to, is not UTF-8")

// unsendable returns the path of the first file at or below one in a directory that is not
// left out and cannot be sent, and why: it has a bad name, or is a directory that may not be
// read. It finds none where it takes too long.
func unsendable(ctx context.Context, dir, below string, ignore ignored) (found string, why error) {
	matcher, err := patternmatcher.New(ignore.patterns)
	if err != nil {
		return "", nil // the builder will say so
	}
	files := 0
	_ = filepath.WalkDir(below, func(path string, e fs.DirEntry, err error) error {
		inDir, relErr := filepath.Rel(dir, path)
		if files++; files > mostNames || ctx.Err() != nil || e == nil || relErr != nil {
			return fs.SkipAll
		}
		problem := sending(path, inDir, e, err)
		if problem == nil && !e.IsDir() || inDir == "." && problem == nil {
			return nil
		}
		leftOut, wrong := matcher.MatchesOrParentMatches(inDir)
		switch {
		case wrong != nil || leftOut && !e.IsDir():
			return nil
		case leftOut && (problem != nil || !matcher.Exclusions()):
			return fs.SkipDir
		case problem == nil:
			return nil
		}
		found, why = path, problem
		return fs.SkipAll
	})
	return found, why
}

// sending tells why a file cannot be sent; err is what came of reading a directory.
func sending(path, inDir string, e fs.DirEntry, err error) error {
	to := ""
	if e.Type()&fs.ModeSymlink != 0 {
		to, _ = os.Readlink(path)
	}
	switch {
	case !utf8.ValidString(inDir) || !utf8.ValidString(to):
		return errBadName
	case errors.Is(err, fs.ErrPermission):
		return syscall.EACCES
	}
	return nil
}

// mostNames is how many files are looked at for one that cannot be sent.
const mostNames = 200_000

// Contexts are those on this machine that builds send. Each is looked through once. They may
// be used by several goroutines.
type Contexts struct {
	mu    sync.Mutex
	known map[string]func() string
}

// Unsendable tells what of a path that a job's Dockerfile copies of its context no build can
// send, and why; empty where nothing of that is found.
func (c *Contexts) Unsendable(ctx context.Context, job *plan.Job, copied string) string {
	dir, ignore := filepath.Clean(job.Options.Inputs.ContextPath), ignoredOf(job)
	below := filepath.Join(dir, filepath.Clean("/"+copied))
	key := fmt.Sprintf("%q %q %s", dir, below, ignore.text)
	c.mu.Lock()
	if c.known == nil {
		c.known = map[string]func() string{}
	}
	if c.known[key] == nil {
		c.known[key] = sync.OnceValue(func() string {
			path, why := unsendable(ctx, dir, below, ignore)
			if why == nil {
				return ""
			}
			return fmt.Sprintf("%q cannot be sent: %s", path, why)
		})
	}
	look := c.known[key]
	c.mu.Unlock()
	return look()
}
