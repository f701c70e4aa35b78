package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/osutil"
	"github.com/docker/buildx/util/urlutil"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Source is the Dockerfile and the context of a run. The Dockerfile is read
// once, into a directory of the run's own, so that all jobs build the same one
// whatever happens to the file meanwhile. BuildKit itself transfers only what
// changed in a local context, which for an unchanged one is nothing.
type Source struct {
	context    string
	dockerfile []byte // nil when it is the builder that fetches it
	name       string // as the user named it, for messages
	staged     string // path of the run's copy; empty when dockerfile is nil
	path       string // what buildx is given
	gitSHA     func() (string, error)
}

// ReadSource reads the Dockerfile for a context: file as -f gave it, or
// "Dockerfile" in a local context, with "-" for stdin. The result must be
// closed.
func ReadSource(context, file string, stdin io.Reader) (*Source, error) {
	s := &Source{context: context, path: file}
	s.gitSHA = sync.OnceValues(s.readGitSHA)
	switch {
	case context == "":
		return nil, &InputError{What: "PATH", Problems: []string{"no build context given"},
			Hint: `name one, for example "." for the current directory`}
	case context == "-":
		return nil, &InputError{What: "-", Problems: []string{"a context from standard input is read only once, but each job needs it"},
			Hint: "unpack it into a directory first"}
	case urlutil.IsRemoteURL(file):
		s.name = file
		return s, nil
	case urlutil.IsRemoteURL(context) && file != "-" && !filepath.IsAbs(file):
		s.name = file
		return s, nil
	case !urlutil.IsRemoteURL(context) && !osutil.IsLocalDir(context):
		return nil, &InputError{What: "PATH", Problems: []string{fmt.Sprintf("build context %q is not a directory", context)}}
	}
	return s, s.readDockerfile(file, stdin)
}

func (s *Source) readDockerfile(file string, stdin io.Reader) error {
	var err error
	switch {
	case file == "-":
		s.name = "Dockerfile from standard input"
		s.dockerfile, err = io.ReadAll(stdin)
	default:
		s.name = localDockerfile(s.context, file)
		s.dockerfile, err = os.ReadFile(s.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &InputError{What: "-f", Problems: []string{fmt.Sprintf("Dockerfile %q does not exist", s.name)},
			Hint: "name it with -f; the default is PATH/Dockerfile"}
	}
	if err != nil {
		return &InputError{What: "-f", Problems: []string{err.Error()}}
	}
	return s.stage()
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
// source policy of its own) into a directory of the run.
func (s *Source) stage() error {
	dir, err := os.MkdirTemp("", "stoker-dockerfile-")
	if err != nil {
		return err
	}
	base := filepath.Base(s.name)
	if strings.ContainsRune(base, ' ') {
		base = "Dockerfile"
	}
	s.staged = filepath.Join(dir, base)
	s.path = s.staged
	if err := os.WriteFile(s.staged, s.dockerfile, 0o600); err != nil {
		return err
	}
	for _, suffix := range []string{".dockerignore", ".rego"} {
		data, err := os.ReadFile(s.name + suffix)
		if err != nil {
			continue
		}
		if err := os.WriteFile(s.staged+suffix, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the run's copy of the Dockerfile.
func (s *Source) Close() error {
	if s.staged == "" {
		return nil
	}
	return os.RemoveAll(filepath.Dir(s.staged))
}

// Inputs returns buildx's view of the source.
func (s *Source) Inputs() build.Inputs {
	return build.Inputs{ContextPath: s.context, DockerfilePath: s.path}
}

// Dockerfile returns the Dockerfile's text; nil when only the builder can read
// it (a remote context).
func (s *Source) Dockerfile() []byte { return s.dockerfile }

// Hash returns 12 hexadecimal digits that change when the Dockerfile, the
// target or the build arguments change. The argument that carries the base
// image is not among them: it differs for each job anyway.
func (s *Source) Hash(target string, args map[string]string) string {
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
	for _, k := range slices.Sorted(maps.Keys(args)) {
		write(k, args[k])
	}
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

// Check finds what is wrong with the Dockerfile before anything is built: that
// it does not parse, that the target is no stage of it, or that it never asks
// for the base image, so that all images would be the same. A Dockerfile in a
// foreign syntax is the frontend's to check.
func (s *Source) Check(spec Spec) error {
	if s.dockerfile == nil {
		return nil
	}
	if _, _, _, foreign := parser.DetectSyntax(s.dockerfile); foreign || spec.BuildArgs["BUILDKIT_SYNTAX"] != "" {
		return nil
	}
	fail := func(problem, hint string) error {
		return &InputError{What: s.name, Problems: []string{problem}, Hint: hint}
	}
	tree, err := parser.Parse(bytes.NewReader(s.dockerfile))
	if err != nil {
		return fail(err.Error(), "")
	}
	stages, args, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		return fail(err.Error(), "")
	}
	if len(stages) == 0 {
		return fail("it has no stages", "a Dockerfile needs at least one FROM")
	}
	if !hasStage(stages, spec.Target) {
		return fail(fmt.Sprintf("no stage is named %q, as --target asks", spec.Target), "named stages: "+strings.Join(stageNames(stages), ", "))
	}
	if !declares(stages, args, spec.BaseArg) {
		return fail(fmt.Sprintf("it never declares ARG %s, so that every image would be built on the same base", spec.BaseArg),
			fmt.Sprintf("begin with ARG %s and FROM ${%s}, or name another argument with --base-arg", spec.BaseArg, spec.BaseArg))
	}
	return nil
}

func hasStage(stages []instructions.Stage, target string) bool {
	return target == "" || slices.ContainsFunc(stages, func(st instructions.Stage) bool { return strings.EqualFold(st.Name, target) })
}

func stageNames(stages []instructions.Stage) []string {
	var names []string
	for _, st := range stages {
		if st.Name != "" {
			names = append(names, st.Name)
		}
	}
	return names
}

func declares(stages []instructions.Stage, global []instructions.ArgCommand, name string) bool {
	has := func(c instructions.ArgCommand) bool {
		return slices.ContainsFunc(c.Args, func(kv instructions.KeyValuePairOptional) bool { return kv.Key == name })
	}
	if slices.ContainsFunc(global, has) {
		return true
	}
	for _, st := range stages {
		for _, c := range st.Commands {
			if arg, ok := c.(*instructions.ArgCommand); ok && has(*arg) {
				return true
			}
		}
	}
	return false
}
