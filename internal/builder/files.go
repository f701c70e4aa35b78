package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"

	"github.com/stoker-build/stoker/internal/graph"
)

// mostNamed is how many files of a directory are told of by themselves: which one was
// changed is of use where they can be looked through.
const mostNamed = 200

// files tells which files are in directories, each by a digest. It may be used by several
// goroutines, and reads each directory once.
type files struct {
	mu    sync.Mutex
	known map[string]func() map[string]string
}

func newFiles() *files { return &files{known: map[string]func() map[string]string{}} }

// of returns digests of the files that are taken of a directory, by their paths in it; one
// for all of them where they are many, and none where that is not told.
func (f *files) of(dir string, t graph.Taken, ignore ignored) map[string]string {
	key := fmt.Sprintf("%q %+v %s", dir, t, ignore.text)
	f.mu.Lock()
	if f.known[key] == nil {
		f.known[key] = sync.OnceValue(func() map[string]string { return readFiles(dir, t, ignore) })
	}
	read := f.known[key]
	f.mu.Unlock()
	return read()
}

func readFiles(dir string, t graph.Taken, ignore ignored) map[string]string {
	matcher, err := patternmatcher.New(ignore.patterns)
	if err != nil {
		return nil
	}
	roots, err := rootsOf(dir, t)
	if err != nil {
		return nil
	}
	all := sha256.New()
	digests := map[string]string{}
	d := &digester{dir: dir, matcher: matcher, anyMode: t.AnyMode}
	for _, root := range roots {
		if linked(dir, root) {
			return nil
		}
		directories := sha256.New()
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			d.hash = sha256.New()
			if err := d.visit(root, path, e, err); err != nil {
				return err
			}
			if e.IsDir() {
				_, _ = directories.Write(d.hash.Sum(nil)) // a hash takes all
				return nil
			}
			note(digests, all, dir, path, d.hash)
			return nil
		})
		if err != nil {
			return nil
		}
		note(digests, all, dir, root+"/", directories)
	}
	if len(digests) > mostNamed {
		return map[string]string{t.Path: shortDigest(all)}
	}
	return digests
}

// note adds a file that was read, or directories. What is left out of what is sent was not.
func note(digests map[string]string, all hash.Hash, dir, path string, read hash.Hash) {
	name, err := filepath.Rel(dir, path)
	if digest := shortDigest(read); err == nil && digest != nothingRead {
		name = filepath.ToSlash(name)
		if strings.HasSuffix(path, "/") {
			name += "/"
		}
		digests[name] = digest
		fmt.Fprintln(all, name, digest)
	}
}

var nothingRead = shortDigest(sha256.New())

// shortDigest tells the files of one path apart.
func shortDigest(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:6]) }
