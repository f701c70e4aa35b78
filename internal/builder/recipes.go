package builder

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/continuity/sysx"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"

	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/plan"
)

// Recipe is how an image is made, as a frontend says, and its config.
type Recipe struct {
	Steps  *pb.Definition
	Config []byte
}

// Recipes asks the builder as Graphs does, and tells found how each job's images are
// made: by platform, where it has several.
func (b *Builder) Recipes(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, made map[string]Recipe, err error)) error {
	return b.survey(ctx, jobs, nil, func(job *plan.Job, a answer, err error) {
		var made map[string]Recipe
		if err == nil {
			made, err = a.recipes(ctx)
		}
		found(job, made, err)
	})
}

func (a *answer) recipes(ctx context.Context) (map[string]Recipe, error) {
	made := map[string]Recipe{}
	add := func(platform string, ref gateway.Reference) error {
		key := exptypes.ExporterImageConfigKey
		if platform != "" {
			key += "/" + platform
		}
		d := Recipe{Config: a.res.Metadata[key]}
		if ref != nil {
			var err error
			if d.Steps, err = definitionOf(ctx, ref); err != nil {
				return err
			}
		}
		made[platform] = d
		return nil
	}
	if len(a.res.Refs) == 0 {
		return made, add("", a.res.Ref)
	}
	for platform, ref := range a.res.Refs {
		if err := add(platform, ref); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// Copied tells what a step of a job's build copies of a directory of this machine: that, and
// what is left out of it by a .dockerignore file or a pattern. It does not tell of large
// directories, nor where links stand on the way.
func Copied(job *plan.Job, c link.Copied) ([]link.Root, bool) {
	dir, err := filepath.EvalSymlinks(c.Dir) // as BuildKit does
	if err != nil {
		return nil, false
	}
	if !c.Wildcard {
		root, ok := rootAt(dir, filepath.Join(dir, filepath.Clean("/"+c.Path)))
		return []link.Root{root}, ok
	}
	if context, err := filepath.Abs(job.Options.Inputs.ContextPath); err != nil || context != c.Dir {
		return nil, false // what is left out of it is not known
	}
	matcher, err := patternmatcher.New(ignoredOf(job).patterns)
	if err != nil || matcher.Exclusions() {
		return nil, false
	}
	matches, ok := matching(dir, c.Path)
	d := digester{dir: dir, matcher: matcher}
	var roots []link.Root
	for _, match := range matches {
		if d.leavesOut(match) {
			continue
		}
		root, known := rootAt(dir, match)
		roots, ok = append(roots, root), ok && known
	}
	return roots, ok
}

// matching are the paths in a directory that a pattern matches. Of one with a backslash it is
// not told: BuildKit takes some of them for names.
func matching(dir, pattern string) (matches []string, ok bool) {
	if strings.Contains(pattern, `\`) {
		return nil, false
	}
	names, err := fs.Glob(os.DirFS(dir), strings.TrimPrefix(filepath.Clean("/"+pattern), "/"))
	for _, name := range names {
		matches = append(matches, filepath.Join(dir, name))
	}
	return matches, err == nil
}

// rootAt reads what is at a path in a directory.
func rootAt(dir, at string) (root link.Root, ok bool) {
	if linked(dir, at) {
		return root, false
	}
	root.Name = nameIn(dir, at)
	err := filepath.WalkDir(at, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == at:
			root.Directory = e.IsDir()
			return nil
		case len(root.Below) == mostFiles:
			return errNotTold
		}
		b := link.Below{Path: filepath.ToSlash(strings.TrimPrefix(path, at)), Directory: e.IsDir(), Symlink: e.Type()&fs.ModeSymlink != 0}
		if b.Directory {
			attributes, err := sysx.LListxattr(path)
			b.Attributed = err != nil || len(attributes) > 0
		}
		root.Below = append(root.Below, b)
		return nil
	})
	return root, err == nil
}

// definitionOf is what a frontend's answer is made by.
func definitionOf(ctx context.Context, ref gateway.Reference) (*pb.Definition, error) {
	state, err := ref.ToState()
	if err != nil {
		return nil, err
	}
	def, err := state.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	return def.ToPB(), nil
}
