package bake

import (
	"context"
	"fmt"
	"path"
	"strings"

	buildx "github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/urlutil"
	"github.com/moby/buildkit/client/llb"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// Fetch has a builder read bake files by their names, or those that bake looks for where
// there are none: of a git repository, of an archive, or the one file that an address is of.
// The input is what the contexts of targets are in.
type Fetch func(ctx context.Context, url string, names []string) ([]buildx.File, *buildx.Input, error)

// workingDir is how bake calls the working directory, and begins what is in it, where other
// files are elsewhere.
const workingDir = "cwd://"

// remote returns the address that bake files are to be read from, as the first of what
// is asked for, and the one that is the command's context, as the second; empty for this
// machine. The others are targets.
func (q Question) remote() (url, commandContext string, targets []string) {
	commandContext, targets = workingDir, q.Targets
	if len(targets) == 0 || !urlutil.IsRemoteURL(targets[0]) {
		return "", commandContext, targets
	}
	url, targets = targets[0], targets[1:]
	if len(targets) > 0 && urlutil.IsRemoteURL(targets[0]) {
		commandContext, targets = targets[0], targets[1:]
	}
	return url, commandContext, targets
}

// readRemoteFiles reads the files that are named, or looked for, from elsewhere, and then
// those of the working directory.
func (d *Definition) readRemoteFiles(ctx context.Context, names []string) (err error) {
	var there, here []string
	for _, name := range names {
		if local, is := strings.CutPrefix(name, workingDir); is {
			here = append(here, local)
		} else {
			there = append(there, name)
		}
	}
	if d.files, d.input, err = d.question.Fetch(ctx, d.url, there); err != nil {
		return err
	}
	if len(d.files) == 0 {
		return &mistakes.InputError{What: d.url, Problems: []string{"no bake file is there"},
			Hint: "name it with -f, as it is called there; else docker-bake.hcl, docker-bake.json, compose.yaml and their like are looked for"}
	}
	if len(here) == 0 {
		return nil
	}
	local, err := d.readLocal(here, fileFlag)
	d.files = append(d.files, local...)
	return err
}

// isArchive tells that the files are in an archive, which has no address for its parts.
func (d *Definition) isArchive() bool {
	return d.input != nil && d.input.State != nil && d.input.URL == ""
}

// place has the contexts of a target be where its files are from. A part of a repository is
// called by its address: so are all others that are fetched, and with it a Dockerfile
// may come from elsewhere. Bake's own package leaves contexts in archives without any.
func (d *Definition) place(t *buildx.Target, in *build.Inputs, asked string) error {
	if d.input == nil || d.input.State == nil {
		return nil
	}
	if d.isArchive() && isThere(asked) {
		in.ContextPath, in.ContextState = d.partOf(asked, in.ContextState)
		if in.ContextState != nil && (in.DockerfileInline != "" || path.IsAbs(in.DockerfilePath)) {
			return &mistakes.InputError{What: "context", Problems: []string{fmt.Sprintf("a Dockerfile that is not in the archive cannot have the context %q of it", asked)},
				Hint: `let the context be ".", the whole archive, or put the Dockerfile into it`}
		}
	}
	for name, c := range in.NamedContexts {
		if !d.isArchive() {
			c.State = nil
		} else if asked := t.Contexts[name]; isThere(asked) {
			c.Path, c.State = d.partOf(asked, c.State)
		}
		in.NamedContexts[name] = c
	}
	if !d.isArchive() {
		in.ContextState = nil
	}
	return nil
}

// partOf calls a directory of an archive by an address that no other has. The whole is what
// BuildKit itself makes of the archive's.
func (d *Definition) partOf(dir string, state *llb.State) (string, *llb.State) {
	if dir = path.Clean(dir); dir == "." {
		return d.url, nil
	}
	return d.url + "#:" + dir, state
}

// isThere tells whether a context is where the bake file is.
func isThere(context string) bool {
	for _, elsewhere := range []string{workingDir, "target:", "docker-image:"} {
		if strings.HasPrefix(context, elsewhere) {
			return false
		}
	}
	return !urlutil.IsRemoteURL(context)
}
