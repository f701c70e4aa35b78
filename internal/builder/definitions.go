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

// Definitions has a node read bake files of a git repository or an archive, or the one file
// that an address is of.
func (b *Builder) Definitions(ctx context.Context, url string, names []string) (files []bake.File, in *bake.Input, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, definitionsTimeout, fmt.Errorf("they could not be read within %s", definitionsTimeout))
	defer cancel()
	progress := newProgress(io.Discard, Watch{}.whole())
	defer progress.close()
	read := func(names ...string) ([]bake.File, *bake.Input, error) {
		return bake.ReadRemoteFiles(ctx, b.bxNodes(), url, names, progress)
	}
	files, in, err = read(names...)
	if err == nil && len(files) == 0 {
		// It takes a repository that could not be fetched for one that has none of the
		// files that it looks for; of one that is named it tells why.
		if _, _, why := read(lookedFor); why != nil && !isNotThere(why) {
			err = why
		}
	}
	if err != nil && strings.Contains(err.Error(), ofArchive) {
		files, in, err = b.archived(ctx, url, names)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		err = errors.New(trimmed(err.Error()))
	}
	return files, in, err
}

const (
	// lookedFor is one of the bake files that are looked for where none is named.
	lookedFor = "docker-bake.hcl"
	// notThere is how a builder ends what it says of a file that does not exist.
	notThere = ": no such file or directory"
)

// isNotThere tells whether reading it failed only since there is no such file.
func isNotThere(err error) bool {
	return strings.HasSuffix(err.Error(), lookedFor+notThere)
}
