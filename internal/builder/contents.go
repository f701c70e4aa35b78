package builder

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	continuity "github.com/containerd/continuity/fs"
	"github.com/docker/buildx/util/urlutil"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

const (
	// What is read at most to tell whether two directories have the same content.
	// BuildKit reads it anyway, but once for each job.
	mostContent = 64 << 20
	mostFiles   = 20_000
)

// surroundings are what the definitions of builds do not tell. They may be used by
// several goroutines.
type surroundings struct {
	contents *contents
	files    *files
}

func newSurroundings() *surroundings {
	return &surroundings{contents: newContents(), files: newFiles()}
}

// of returns what the definition of a job's build does not tell; local says what
// the names of its directories stand for. What is copied of these is told by content:
// so jobs share what BuildKit shares, and what an earlier run made of another content
// is not taken for what this one will find.
func (s *surroundings) of(job *plan.Job, local func(name, session string) string) graph.Surroundings {
	ignore := ignoredBy(job)
	return graph.Surroundings{Local: local, Sent: sent(job), Dockerfile: job.Source.Dockerfile(),
		Files: func(dir string, t graph.Taken) map[string]string { return s.files.of(dir, t, ignore(dir)) },
		Content: func(dir string, t graph.Taken) (string, bool) {
			digest, err := s.contents.of(dir, t, ignore(dir))
			return digest, err == nil
		}}
}

// ignoredBy returns what is left out of directories: of the contexts of what a job is
// built on what their own builds leave out, of others what the job's does.
func ignoredBy(job *plan.Job) func(dir string) ignored {
	if len(job.Links) == 0 {
		ignore := ignoredOf(job)
		return func(string) ignored { return ignore }
	}
	own := map[string]ignored{}
	for _, j := range plan.WithLinked([]*plan.Job{job}) {
		if dir, err := filepath.Abs(j.Options.Inputs.ContextPath); err == nil {
			own[dir] = ignoredOf(j)
		}
	}
	return func(dir string) ignored {
		if i, known := own[dir]; known {
			return i
		}
		return ignoredOf(job)
	}
}

// sent are the vertices of the context and of the Dockerfile that a build sends,
// whether or not it copies anything: BuildKit looks for a .dockerignore.
func sent(job *plan.Job) (vertices []graph.Vertex) {
	in := job.Options.Inputs
	if dir, err := filepath.Abs(in.ContextPath); err == nil && !urlutil.IsRemoteURL(in.ContextPath) {
		vertices = append(vertices, graph.Directory(dir))
	}
	if job.Source.Dockerfile() != nil {
		vertices = append(vertices, graph.Dockerfile(in.DockerfilePath))
	}
	return vertices
}

// contents tells what is in directories, so that steps that copy the same from
// different ones are equal, as BuildKit has them: its keys for what is copied are
// by content. It may be used by several goroutines.
type contents struct {
	// exact has all be told, however much there is, and links followed.
	exact bool

	mu    sync.Mutex
	known map[string]func() (digest string, err error)
}

func newContents() *contents { return &contents{known: map[string]func() (string, error){}} }

// of returns a digest of what is taken of a directory, as far as ignore does
// not leave it out. It does not tell for what is large, or goes through links, unless
// that is asked for.
func (c *contents) of(dir string, t graph.Taken, ignore ignored) (digest string, err error) {
	key := fmt.Sprintf("%q %+v %s", dir, t, ignore.text)
	c.mu.Lock()
	if c.known[key] == nil {
		c.known[key] = sync.OnceValues(func() (string, error) { return c.read(dir, t, ignore) })
	}
	read := c.known[key]
	c.mu.Unlock()
	return read()
}

// ignored are the patterns of a .dockerignore file.
type ignored struct {
	text     string
	patterns []string
}

// ignoredOf returns what a job's builds leave out of its context, as BuildKit's
// frontend finds it: the Dockerfile's own file, else that of the context.
func ignoredOf(job *plan.Job) ignored {
	in := job.Options.Inputs
	for _, path := range []string{in.DockerfilePath + ".dockerignore", filepath.Join(in.ContextPath, ".dockerignore")} {
		if i, err := ignoredIn(path); err == nil {
			return i
		}
	}
	return ignored{}
}

// ignoredIn reads a .dockerignore file.
func ignoredIn(path string) (ignored, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return ignored{}, err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	return ignored{string(text), patterns}, err
}

var errNotTold = errors.New("the content is not told")

func (c *contents) read(dir string, t graph.Taken, ignore ignored) (string, error) {
	matcher, err := patternmatcher.New(ignore.patterns)
	if err != nil {
		return "", err
	}
	roots, err := rootsOf(dir, t)
	if err != nil || len(roots) == 0 && !c.exact {
		return "", errNotTold
	}
	d := &digester{dir: dir, matcher: matcher, hash: sha256.New(), exact: c.exact, anyMode: t.AnyMode}
	for _, root := range roots {
		if t.Wildcard && d.leavesOut(root) {
			continue
		}
		fmt.Fprintf(d.hash, "root %q\n", nameIn(dir, root))
		if root, err = c.follow(dir, root); err != nil {
			return "", err
		}
		if err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error { return d.visit(root, path, e, err) }); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(d.hash.Sum(nil)), nil
}

// rootsOf are the paths that are taken of a directory.
func rootsOf(dir string, t graph.Taken) ([]string, error) {
	root := filepath.Join(dir, filepath.Clean("/"+t.Path))
	if t.Wildcard && strings.ContainsAny(t.Path, `*?[\`) {
		return filepath.Glob(root)
	}
	return []string{root}, nil
}

// nameIn is how a path in a directory is called at its end; the directory itself is
// called nothing.
func nameIn(dir, path string) string {
	if path == filepath.Clean(dir) {
		return ""
	}
	return filepath.Base(path)
}

// follow returns where a path in a directory leads. It does not tell where links stand on
// the way, unless that is asked for: they lead nowhere out of the directory then.
func (c *contents) follow(dir, path string) (string, error) {
	switch {
	case !linked(dir, path):
		return path, nil
	case !c.exact:
		return "", errNotTold
	}
	in, err := filepath.Rel(dir, path)
	if err != nil {
		return "", err
	}
	return continuity.RootPath(dir, in)
}

// linked tells whether a link stands on the way from a directory to a path in it.
func linked(dir, path string) bool {
	for ; path != dir && len(path) > len(dir); path = filepath.Dir(path) {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

type digester struct {
	dir     string
	matcher *patternmatcher.PatternMatcher
	hash    hash.Hash
	exact   bool // there is no limit
	anyMode bool // modes are left out
	bytes   int64
	files   int
}

// leavesOut tells whether nothing of what a pattern has matched is sent.
func (d *digester) leavesOut(root string) bool {
	inDir, err := filepath.Rel(d.dir, root)
	if err != nil || d.matcher.Exclusions() {
		return false
	}
	leftOut, err := d.matcher.MatchesOrParentMatches(inDir)
	return err == nil && leftOut
}

// visit adds what BuildKit's keys have of a file: its path, mode and content, but
// not its times. Where any mode will do it is left out.
func (d *digester) visit(root, path string, e fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	inDir, err := filepath.Rel(d.dir, path)
	if err != nil {
		return err
	}
	if leftOut, err := d.matcher.MatchesOrParentMatches(inDir); err != nil {
		return err
	} else if leftOut && inDir != "." {
		if e.IsDir() && !d.matcher.Exclusions() {
			return fs.SkipDir
		}
		return nil
	}
	if inDir == "." {
		return nil // what the directory itself is like is not sent
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	if d.files++; d.files > mostFiles && !d.exact {
		return errNotTold
	}
	inRoot, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	mode := info.Mode()
	if d.anyMode {
		mode = mode.Type()
	}
	fmt.Fprintf(d.hash, "%q %o ", inRoot, mode)
	switch {
	case info.Mode().IsRegular():
		return d.file(path, info.Size())
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		fmt.Fprintf(d.hash, "-> %q\n", target)
		return err
	}
	return nil
}

func (d *digester) file(path string, size int64) error {
	if d.bytes += size; d.bytes > mostContent && !d.exact {
		return errNotTold
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(d.hash, "%d\n", size)
	_, err = io.Copy(d.hash, bufio.NewReader(f))
	return err
}
