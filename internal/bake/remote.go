package bake

import (
	"bytes"
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	buildx "github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/urlutil"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// Fetch has a builder read bake files by their names, or those that bake looks for where
// there are none: of a git repository or an archive, or the one file that an address is of.
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
	if slices.ContainsFunc(d.files, func(f buildx.File) bool { return !utf8.Valid(f.Data) || bytes.IndexByte(f.Data, 0) >= 0 }) {
		return &mistakes.InputError{What: d.url, Problems: []string{"it is neither a bake file nor an archive that can be read"},
			Hint: "archives are tar files, plain or packed by gzip, bzip2, xz or zstd: pack a ZIP anew"}
	}
	if len(here) == 0 {
		return nil
	}
	local, err := d.readLocal(here, fileFlag)
	d.files = append(d.files, local...)
	return err
}

// place calls parts of a repository that are contexts by their addresses, as all others that
// are fetched: with such a context a Dockerfile may come from elsewhere. Bake's own package
// has them be made of the whole in the build, too, which would be taken instead.
func place(in *build.Inputs) {
	in.ContextState = nil
	for name, c := range in.NamedContexts {
		c.State = nil
		in.NamedContexts[name] = c
	}
}

// checkParts makes sure that contexts have addresses: parts of an archive have none.
func (d *Definition) checkParts(t *buildx.Target, in build.Inputs) error {
	if d.input == nil {
		return nil
	}
	if _, git, _ := dfgitutil.ParseGitRef(d.input.URL); git {
		return nil
	}
	var parts []string
	if in.ContextState != nil {
		parts = append(parts, "context")
	}
	for _, name := range slices.Sorted(maps.Keys(in.NamedContexts)) {
		if in.NamedContexts[name].State != nil && path.Clean(t.Contexts[name]) != "." {
			parts = append(parts, "contexts: "+name)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return &mistakes.InputError{What: strings.Join(parts, ", "), Problems: []string{"only the whole of an archive can be a context, and not a part of it"},
		Hint: `write context = "." and name directories in the Dockerfile; or give a repository's address, or unpack the archive and run stoker there`}
}
