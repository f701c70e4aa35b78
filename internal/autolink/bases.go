package autolink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/registry"
)

const (
	// How long base images are read at most, before a run begins.
	readTimeout = time.Minute
	// How many are read at once.
	readWorkers = 4
)

// bases are the base images of a run, as far as it matters what is in them.
type bases struct {
	registry Registry
	platform *ocispecs.Platform
	// until is when no more is read.
	until time.Time

	mu     sync.Mutex
	chains map[string]chain                  // by image and platform
	layers map[digest.Digest]func() readOnce // what is watched of each
}

// chain is what an image consists of, or why that is not known.
type chain struct {
	layers.Chain
	err error
}

// readOnce is what is watched of a layer, or why it is not known.
type readOnce struct {
	files layers.Files
	err   error
}

func newBases(r Registry, p *ocispecs.Platform) *bases {
	return &bases{registry: r, platform: p, until: time.Now().Add(readTimeout)}
}

// read reads the base images of jobs, each layer once.
func (b *bases) read(ctx context.Context, watch *link.Watch, subjects []*subject) {
	ctx, cancel := context.WithDeadlineCause(ctx, b.until, fmt.Errorf("not read within %s", readTimeout))
	defer cancel()
	b.chains, b.layers = map[string]chain{}, map[digest.Digest]func() readOnce{}
	var group errgroup.Group
	group.SetLimit(readWorkers)
	asked := map[string]bool{}
	for _, s := range subjects {
		for _, c := range s.chains {
			if key := keyOf(c); !asked[key] {
				asked[key] = true
				group.Go(func() error {
					b.readImage(ctx, key, c, watch)
					return nil
				})
			}
		}
	}
	_ = group.Wait()
}

func keyOf(c link.Chain) string { return c.Image + " " + c.Platform.String() }

func (b *bases) readImage(ctx context.Context, key string, c link.Chain, watch *link.Watch) {
	found, err := b.resolve(ctx, c)
	b.mu.Lock()
	b.chains[key] = chain{found, err}
	b.mu.Unlock()
	for _, layer := range found.Layers {
		if b.layer(ctx, c.Image, layer, watch).err != nil {
			return
		}
	}
}

func (b *bases) resolve(ctx context.Context, c link.Chain) (layers.Chain, error) {
	p := b.platform
	if c.Platform != nil {
		spec := c.Platform.Spec()
		p = &spec
	}
	switch {
	case p == nil:
		return layers.Chain{}, errors.New("its platform is not known")
	case p.OS != "linux":
		return layers.Chain{}, fmt.Errorf("it is for %s", p.OS)
	}
	return b.registry.Resolve(ctx, c.Image, *p)
}

// layer reads a layer, unless it was read already.
func (b *bases) layer(ctx context.Context, image string, layer layers.Layer, watch *link.Watch) readOnce {
	b.mu.Lock()
	read, known := b.layers[layer.Digest]
	if !known {
		read = sync.OnceValue(func() readOnce {
			files, err := b.registry.Files(ctx, image, layer)
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return readOnce{watch.Of(files), err}
		})
		b.layers[layer.Digest] = read
	}
	b.mu.Unlock()
	return read()
}

// tree is what is known of the base image of a chain, or why nothing is.
func (b *bases) tree(c link.Chain) (t *link.Tree, why string) {
	image := b.chains[keyOf(c)]
	if image.err != nil {
		return nil, fmt.Sprintf("what is in its base image is not known: %s", image.err)
	}
	t = link.NewTree()
	for _, layer := range image.Layers {
		read := b.layers[layer.Digest]
		if read == nil {
			return nil, "what is in its base image is not known"
		}
		switch r := read(); {
		case errors.Is(r.err, registry.ErrTooLarge):
			return nil, fmt.Sprintf("what is in its base image is not known: a layer of %d MB is too large to be read for that", layer.Size/1_000_000)
		case r.err != nil:
			return nil, fmt.Sprintf("what is in its base image is not known: %s", r.err)
		default:
			t.Add(r.files)
		}
	}
	return t, ""
}
