package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/buildx/bake"
)

// How long reading bake files may take: a repository may have to be fetched for it.
const definitionsTimeout = 5 * time.Minute

// Definitions has a node read bake files of a git repository, of an archive, or the one file
// that an address is of.
func (b *Builder) Definitions(ctx context.Context, url string, names []string) (files []bake.File, in *bake.Input, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, definitionsTimeout, fmt.Errorf("they could not be read within %s", definitionsTimeout))
	defer cancel()
	progress := newProgress(io.Discard, Watch{}.whole())
	defer progress.close()
	files, in, err = bake.ReadRemoteFiles(ctx, b.bxNodes(), url, names, progress)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		err = errors.New(trimmed(err.Error()))
	}
	return files, in, err
}
