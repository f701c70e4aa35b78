package inspect

import (
	"context"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/registry"
)

// finder finds the chains of images, for one node.
type finder struct {
	registry  *registry.Client
	platforms []ocispecs.Platform // one at least
	names     []cache.Name        // of the node's records
}

// chains returns the chains that a reference stands for, and those of all digests
// that it stands beside in the names of records: its tag may have moved, or be
// gone from the registry. An image that is neither in the registry nor named by
// a record is no error, nor is one that is there for some of the platforms only.
func (f finder) chains(ctx context.Context, ref string) ([]layers.Chain, error) {
	var found []layers.Chain
	var unknown, unresolved error
	for _, p := range f.platforms {
		chains, err, resolveErr := f.chainsFor(ctx, p, ref)
		found = append(found, chains...)
		if len(f.platforms) == 1 || !errors.Is(err, registry.ErrNotFound) {
			unknown = errors.Join(unknown, err)
		}
		if !errors.Is(resolveErr, registry.ErrNotFound) {
			unresolved = errors.Join(unresolved, resolveErr)
		}
	}
	if len(found) == 0 && unknown == nil {
		return nil, unresolved
	}
	return found, unknown
}

// chainsFor returns the chains for one platform, why that of a digest in a name is
// not known, and why the reference itself does not resolve.
func (f finder) chainsFor(ctx context.Context, p ocispecs.Platform, ref string) (found []layers.Chain, unknown, unresolved error) {
	current, unresolved := f.registry.Resolve(ctx, ref, p)
	if unresolved == nil {
		found = append(found, current)
	}
	ref, pinned, _ := strings.Cut(ref, "@")
	for _, name := range f.names {
		d := name.Digest
		if name.Ref != ref || d == current.Digest || d == current.Manifest || pinned != "" && pinned != d.String() {
			continue
		}
		chain, err := f.named(ctx, p, name)
		if err != nil {
			unknown = errors.Join(unknown, err)
			continue
		}
		found = append(found, chain)
	}
	return found, unknown, unresolved
}

// explain returns the layers of a digest, as far as it is known from earlier.
func (f finder) explain(d digest.Digest) ([]graph.ID, bool) {
	for _, p := range f.platforms {
		if chain, ok := f.registry.Lookup(d, p); ok {
			return graph.LayerIDs(chain.Image().Digests), true
		}
	}
	return nil, false
}

// layers returns how many layers the image of a record's name has.
func (f finder) layers(ctx context.Context, name cache.Name) (n int, known bool) {
	for _, p := range f.platforms {
		if chain, err := f.named(ctx, p, name); err == nil {
			n, known = max(n, len(chain.Layers)), true
		}
	}
	return n, known
}

// named returns the chain of a record's name: from disk, else from the registry.
func (f finder) named(ctx context.Context, p ocispecs.Platform, name cache.Name) (layers.Chain, error) {
	if chain, ok := f.registry.Lookup(name.Digest, p); ok {
		return chain, nil
	}
	return f.registry.Resolve(ctx, name.String(), p)
}
