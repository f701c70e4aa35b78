package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/osutil"
	"github.com/docker/buildx/util/urlutil"

	"github.com/stoker-build/stoker/internal/scratch"
)

// Source is a Dockerfile and a context. The Dockerfile is read once, into a
// directory of the plan's own, so that all jobs build the same one whatever
// happens to the file meanwhile. BuildKit itself transfers only what changed in a
// local context, which for an unchanged one is nothing. What a Source is never changes,
// and jobs with the same Dockerfile and context share it.
type Source struct {
	context    string
	dockerfile []byte // nil when it is the builder that fetches it
	name       string // as the user named it, for messages
	file       string // as a patch names it; empty where no local file has the text
	staged     string // path of the plan's copy; empty when dockerfile is nil
	path       string // what buildx is given
	gitSHA     func() (string, error)
	words      words
	images     sync.Map // []Image by question, of Job.images
}

// place says where a Dockerfile and a context are.
type place struct {
	context, file string
	// inline is the Dockerfile itself, where there is no file of it.
	inline string
	// fromRow tells which of them a row's values made, so that they must be
	// where guard allows.
	contextFromRow, fileFromRow bool
}

// sources reads Dockerfiles and contexts, each once.
type sources struct {
	stdin io.Reader
	guard *guard
	words words
	// record is the key of the directory of the run's record, which no context sends; empty
	// for none.
	record string

	dir   *scratch.Dir // where the copies are; nil before the first
	text  []byte       // of standard input, once it was read
	known map[place]reading
	// rewrites are sources with other texts; staged counts the copies.
	rewrites map[rewriting]*Source
	staged   int
}

type reading struct {
	source *Source
	err    error
}

// read returns the source at a place: file as -f gave it, or "Dockerfile" in a
// local context, with "-" for standard input.
func (s *sources) read(p place) (*Source, error) {
	if r, known := s.known[p]; known {
		return r.source, r.err
	}
	source, err := s.readNew(p)
	if s.known == nil {
		s.known = map[place]reading{}
	}
	s.known[p] = reading{source, err}
	return source, err
}

func (s *sources) readNew(p place) (*Source, error) {
	remote := urlutil.IsRemoteURL(p.context)
	if p.contextFromRow && !remote {
		if err := s.guard.check(s.words.context, p.context); err != nil {
			return nil, err
		}
	}
	source := &Source{context: p.context, path: p.file, words: s.words}
	source.gitSHA = sync.OnceValues(source.readGitSHA)
	switch {
	case p.context == "":
		return nil, &InputError{What: s.words.context, Problems: []string{"no build context given"},
			Hint: `name one, for example "." for the current directory`}
	case p.context == "-":
		return nil, &InputError{What: s.words.context, Problems: []string{"a context from standard input is read only once, but each job needs it"},
			Hint: "unpack it into a directory first"}
	case !remote && !osutil.IsLocalDir(p.context):
		return nil, &InputError{What: s.words.context, Problems: []string{fmt.Sprintf("build context %q is not a directory", p.context)}}
	case p.inline != "":
	case urlutil.IsRemoteURL(p.file), remote && p.file != "-" && !filepath.IsAbs(p.file):
		source.name = p.file
		return source, nil
	}
	return source, s.readDockerfile(source, p)
}

func (s *sources) readDockerfile(source *Source, p place) (err error) {
	switch {
	case p.inline != "":
		source.name, source.dockerfile = InlineDockerfile, []byte(p.inline)
	case p.file == "-":
		source.name = "Dockerfile from standard input"
		source.dockerfile, err = s.readStdin(p)
	default:
		source.name = localDockerfile(p.context, p.file)
		if p.fileFromRow || p.contextFromRow && p.file == "" {
			if err := s.guard.check(s.words.file, source.name); err != nil {
				return err
			}
		}
		source.dockerfile, err = os.ReadFile(source.name)
		source.file = patched(source.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &InputError{What: s.words.file, Problems: []string{fmt.Sprintf("Dockerfile %q does not exist", source.name)},
			Hint: s.missingHint(p)}
	}
	if err != nil {
		return &InputError{What: s.words.file, Problems: []string{err.Error()}}
	}
	return s.stage(source)
}

// patched is how a patch names a file: from the working directory where it is below it, else from the
// root; and the file itself where that is a link. It is empty where that cannot be told.
func patched(name string) string {
	var resolved [2]string // the working directory, and the file
	for i, path := range []string{".", name} {
		path, err := filepath.Abs(path)
		if err == nil {
			resolved[i], err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			return ""
		}
	}
	below, err := filepath.Rel(resolved[0], resolved[1])
	if err != nil || !filepath.IsLocal(below) {
		below = strings.TrimPrefix(resolved[1], string(filepath.Separator))
	}
	return filepath.ToSlash(below)
}

// missingHint says where a Dockerfile that is not there may be.
func (s *sources) missingHint(p place) string {
	if below := filepath.Join(p.context, p.file); p.file != "" && !filepath.IsAbs(p.file) && !urlutil.IsRemoteURL(p.context) {
		if info, err := os.Stat(below); s.words.file == fileFlag && err == nil && info.Mode().IsRegular() {
			return below + " is there: -f is relative to the working directory, as with docker buildx build"
		}
	}
	return s.words.fileHint
}

// readStdin returns the Dockerfile on standard input. A row cannot ask for it.
func (s *sources) readStdin(p place) ([]byte, error) {
	if p.fileFromRow {
		return nil, errors.New(`"-" stands for standard input, which a row cannot ask for`)
	}
	if s.text == nil {
		text, err := io.ReadAll(s.stdin)
		if err != nil {
			return nil, err
		}
		s.text = append([]byte{}, text...)
	}
	return s.text, nil
}

// localDockerfile returns the path of the Dockerfile in a local context,
// accepting "dockerfile" too, as docker does.
func localDockerfile(context, file string) string {
	if file != "" {
		return file
	}
	path := filepath.Join(context, "Dockerfile")
	if _, err := os.Stat(path); err != nil {
		lower := filepath.Join(context, "dockerfile")
		if _, err := os.Stat(lower); err == nil {
			return lower
		}
	}
	return path
}

// stage copies the Dockerfile and what belongs to it (an ignore file and a
// source policy of its own) into a directory of its own below the plan's.
func (s *sources) stage(source *Source) error {
	if s.dir == nil {
		dir, err := scratch.New("dockerfiles")
		if err != nil {
			return err
		}
		s.dir = dir
	}
	s.staged++
	dir := filepath.Join(s.dir.Path, strconv.Itoa(s.staged))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	base := filepath.Base(source.name)
	if strings.ContainsRune(base, ' ') || source.name == InlineDockerfile {
		base = "Dockerfile"
	}
	source.staged = filepath.Join(dir, base)
	source.path = source.staged
	if err := os.WriteFile(source.staged, source.dockerfile, 0o600); err != nil {
		return err
	}
	if text, is := s.ignoreFile(source); is {
		if err := os.WriteFile(source.staged+ignoreSuffix, text, 0o600); err != nil {
			return err
		}
	}
	policy, err := os.ReadFile(source.name + ".rego")
	if err != nil {
		return nil
	}
	return os.WriteFile(source.staged+".rego", policy, 0o600)
}

// close removes the copies of the Dockerfiles.
func (s *sources) close() error {
	if s.dir == nil {
		return nil
	}
	return s.dir.Close()
}

// Inputs returns buildx's view of the source.
func (s *Source) Inputs() build.Inputs {
	return build.Inputs{ContextPath: s.context, DockerfilePath: s.path}
}

// Name is the Dockerfile as a person named it; empty for that of a remote context.
func (s *Source) Name() string { return s.name }

// Patched is the Dockerfile as a patch names it: from the working directory, or from the root where it is
// not below that. It is empty where no file of this machine has the text.
func (s *Source) Patched() string { return s.file }

// InContext is a file of a remote context as a person knows it: with the directory of the
// repository that is the context.
func (s *Source) InContext(file string) string {
	_, fragment, _ := strings.Cut(s.context, "#")
	_, dir, _ := strings.Cut(fragment, ":")
	return path.Join(dir, file)
}

// Dockerfile returns the Dockerfile's text; nil when only the builder can read
// it (a remote context).
func (s *Source) Dockerfile() []byte { return s.dockerfile }

// Hash returns 12 hexadecimal digits that change when the Dockerfile, the
// target or the build arguments change. The argument that carries the base
// image is not among them: it differs for each job anyway.
func (s *Source) Hash(target string, args map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(args)) {
		parts = append(parts, k, args[k])
	}
	return s.digest(target, parts)
}

// kind is a Hash that does not change with the values of the build arguments.
func (s *Source) kind(target string, args map[string]string) string {
	return s.digest(target, slices.Sorted(maps.Keys(args)))
}

func (s *Source) digest(target string, more []string) string {
	h := sha256.New()
	write := func(parts ...string) {
		for _, p := range parts {
			fmt.Fprintf(h, "%d:%s", len(p), p)
		}
	}
	write(string(s.dockerfile), target)
	if s.dockerfile == nil {
		write(s.context, s.path)
	}
	write(more...)
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// GitSHA returns the commit that a local context is at.
func (s *Source) GitSHA() (string, error) { return s.gitSHA() }

func (s *Source) readGitSHA() (string, error) {
	out, err := exec.Command("git", "-C", s.context, "rev-parse", "HEAD").Output()
	if err != nil {
		return "", fmt.Errorf(".GitSHA: the context %q is not in a git work tree", s.context)
	}
	return strings.TrimSpace(string(out)), nil
}
