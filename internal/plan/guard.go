package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/buildx/util/ocilayout"
	"github.com/docker/buildx/util/urlutil"
)

// guard keeps paths that a row's values made below the working directory: rows
// may come from elsewhere, and must not send any other directory to the builder.
// A nil guard allows every path.
type guard struct{ dir string }

// newGuard returns the guard of the working directory.
func newGuard() (*guard, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	dir, err = filepath.EvalSymlinks(dir)
	return &guard{dir}, err
}

// check returns an *InputError for a path that leads out of the directory, by
// itself or by a symbolic link.
func (g *guard) check(what, path string) error {
	if g == nil {
		return nil
	}
	full := path
	if !filepath.IsAbs(full) {
		full = g.dir + string(filepath.Separator) + path
	}
	// With a/.. both are looked at: the kernel follows a first when it is a link,
	// and whoever tidies the path leaves both out.
	for _, full := range []string{full, filepath.Clean(full)} {
		real, err := resolved(full)
		if err != nil {
			return &InputError{What: what, Problems: []string{err.Error()}}
		}
		if rel, err := filepath.Rel(g.dir, real); err != nil || !filepath.IsLocal(rel) {
			return &InputError{What: what, Problems: []string{fmt.Sprintf("%q is outside of the working directory", path)},
				Hint: "a row's values may lead out of it with --allow-outside only"}
		}
	}
	return nil
}

// checkContext does the same for a named context, where that is a local one.
func (g *guard) checkContext(what, value string) error {
	path, local := localContext(value)
	if !local {
		return nil
	}
	return g.check(what, path)
}

// localContext returns the path of a named context that buildx reads on this
// machine, as its loadInputs tells it from others (build/opt.go).
func localContext(value string) (path string, local bool) {
	if urlutil.IsRemoteURL(value) || strings.HasPrefix(value, imageContext) || strings.HasPrefix(value, targetContext) {
		return "", false
	}
	if layout, ok, err := ocilayout.Parse(value); ok && err == nil {
		return layout.Path, true
	}
	return value, true
}

// How named contexts begin that are no paths.
const (
	imageContext  = "docker-image://"
	targetContext = "target:"
)

// resolved follows the symbolic links of a path, as far as it exists.
func resolved(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !os.IsNotExist(err) {
		return real, err
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path, nil
	}
	real, err = resolved(parent)
	return filepath.Join(real, filepath.Base(path)), err
}
