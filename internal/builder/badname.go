package builder

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
func badNameIn(dir string, ignore ignored) (found string) {
	matcher, err := patternmatcher.New(ignore.patterns)
	if err != nil || !osutil.IsLocalDir(dir) {
		return ""
	}
	files := 0
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		inDir, relErr := filepath.Rel(dir, path)
		if err != nil || relErr != nil {
			return nil
		}
		if files++; files > mostNames {
			return fs.SkipAll
		}
		to := ""
		if e.Type()&fs.ModeSymlink != 0 {
			to, _ = os.Readlink(path)
		}
		if utf8.ValidString(inDir) && utf8.ValidString(to) {
			return nil
		}
		if leftOut, err := matcher.MatchesOrParentMatches(inDir); err != nil || leftOut {
			return nil
		}
		found = path
		return fs.SkipAll
	})
	return found
}

// mostNames is how many files are looked at for one that cannot be sent.
const mostNames = 200_000
