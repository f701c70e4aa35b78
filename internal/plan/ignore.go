package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/buildx/util/urlutil"

	"github.com/stoker-build/stoker/internal/paths"
)

// ignoreFile is what builds of a source leave out of its context, where that is not for the
// context alone to say: what the Dockerfile's own ignore file says, which counts in place of the
// context's, and the directory of the run's record, which changes all the time and tells of
// other jobs. Of one that cannot be read the builder will tell.
func (s *sources) ignoreFile(source *Source) (text []byte, is bool) {
	text, err := os.ReadFile(source.name + ignoreSuffix)
	is = err == nil
	rel := s.recordIn(source.context)
	if rel == "" {
		return text, is
	}
	if !is {
		text, err = os.ReadFile(filepath.Join(source.context, ignoreSuffix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false
		}
	}
	return append(text, "\n/"+patternEscapes.Replace(rel)+"\n"...), true
}

const ignoreSuffix = ".dockerignore"

// patternEscapes has a path stand for itself in an ignore file.
var patternEscapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// keyOf is a directory's key, which is empty for none.
func keyOf(dir string) string {
	if dir == "" {
		return ""
	}
	return paths.Key(dir)
}

// recordIn is where the record's directory is in a context; empty where it is not below it.
func (s *sources) recordIn(context string) string {
	if s.record == "" || urlutil.IsRemoteURL(context) {
		return ""
	}
	rel, err := filepath.Rel(paths.Key(context), s.record)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return ""
	}
	return filepath.ToSlash(rel)
}
