package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/buildx/bake"
)

// How long reading bake files may take: a repository may have to be fetched for it.
const definitionsTimeout = 5 * time.Minute

// How that of v0.38.2 fails on every archive (filesFromURLRef in its bake/remote.go).
const ofArchive = "invalid input type *llb.State for copy"

// Definitions has a node read bake files of a git repository, or the one file that an address
// is of.
func (b *Builder) Definitions(ctx context.Context, url string, names []string) (files []bake.File, in *bake.Input, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, definitionsTimeout, fmt.Errorf("they could not be read within %s", definitionsTimeout))
	defer cancel()
	progress := newProgress(io.Discard, Watch{}.whole())
	defer progress.close()
	files, in, err = bake.ReadRemoteFiles(ctx, b.bxNodes(), url, names, progress)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil && strings.Contains(err.Error(), ofArchive):
		err = errors.New("it is an archive, which buildx's own package cannot read: unpack it, and name its bake file with -f")
	case err != nil:
		err = errors.New(trimmed(err.Error()))
	}
	return files, in, err
}
