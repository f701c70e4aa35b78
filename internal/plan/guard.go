package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/docker/buildx/util/ocilayout"
	"github.com/docker/buildx/util/urlutil"

	"github.com/stoker-build/stoker/internal/paths"
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
	return g.within(g.dir, "the working directory", what, path)
}

// within does the same for a path that must stay in any directory, which a person
// knows by a name.
func (g *guard) within(dir, name, what, path string) error {
	switch within, err := paths.LeadsWithin(dir, g.dir, path); {
	case err != nil:
		return &InputError{What: what, Problems: []string{err.Error()}}
	case !within:
		return &InputError{What: what, Problems: []string{fmt.Sprintf("%q is outside of %s", path, name)},
			Hint: "a row's values may lead out of it with --allow-outside only"}
	}
	return nil
}

// checkPart does the same for a path that is a part of a flag's text, such as dest in
// type=oci,dest=/data/{{.id}}.tar. There a row's values must stay in the directory
// that the text itself names, since these are written.
func (g *guard) checkPart(t *templated, part, path string) error {
	if g == nil || path == "" || path == "-" || !t.varies() {
		return nil
	}
	own, fromRow := ownText(t.text, part)
	if !fromRow {
		return nil
	}
	end := strings.LastIndexByte(own, filepath.Separator)
	if end < 0 {
		return g.check(t.String(), path)
	}
	dir, err := filepath.Abs(own[:end+1])
	if err == nil {
		dir, err = paths.Real(dir)
	}
	if err != nil {
		return t.wrong(err.Error())
	}
	return g.within(dir, strconv.Quote(own[:end+1]), t.String(), path)
}

// ownText returns what a text itself says of a part, up to where a row's values
// begin, and whether they do. The whole text is the part where it is not named.
func ownText(text, part string) (own string, fromRow bool) {
	_, after, named := strings.Cut(text, part+"=")
	if named {
		text = after
	} else if strings.HasPrefix(text, "type=") {
		return "", true
	}
	end := strings.Index(text, "{{")
	if comma := strings.IndexByte(text, ','); end < 0 || named && comma >= 0 && comma < end {
		return text, false
	}
	return text[:end], true
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
