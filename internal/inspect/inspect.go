// Package inspect tells what nodes hold of base images that a person names, where no
// jobs say what is needed.
package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/registry"
)

// Node is one BuildKit daemon.
type Node interface {
	Name() string
	Platform() ocispecs.Platform
	Records(ctx context.Context) ([]cache.Record, error)
}

// Question is what is asked of nodes.
type Question struct {
	// Images have references only: Cache finds their chains.
	Images []cache.Image
	// Platforms are those for which images were built on these; none means the
	// node's own.
	Platforms []ocispecs.Platform
	// Linked is what is known to be laid upon images, by their references without digests,
	// and Memory tells which records runs of Stoker's made; nil for nothing.
	Linked   map[string][]graph.Vertex
	Memory   *cache.Memory
	Registry *registry.Client
}

// Answer is what a node holds, judged for the images.
type Answer struct {
	Images   []cache.Image
	Problems []error // at the places of images: why not all is known of one
	Report   *cache.ImageReport
}

// Cache lists the records of a node and judges them.
func Cache(ctx context.Context, n Node, q Question) (Answer, error) {
	records, err := n.Records(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: listing the records: %w", n.Name(), err)
	}
	f := finder{registry: q.Registry, platforms: q.Platforms, names: cache.Names(records)}
	if len(f.platforms) == 0 {
		f.platforms = []ocispecs.Platform{n.Platform()}
	}
	a := Answer{Images: slices.Clone(q.Images), Problems: make([]error, len(q.Images))}
	f.fill(ctx, a)
	for i := range a.Images {
		name, _, _ := strings.Cut(a.Images[i].Ref, "@")
		a.Images[i].Linked = q.Linked[name]
	}
	a.Report = cache.ClassifyImages(records, a.Images, q.Memory, f.explain, func(name cache.Name) (int, bool) { return f.layers(ctx, name) })
	if ctx.Err() != nil {
		return Answer{}, context.Cause(ctx)
	}
	return a, nil
}

// How many images are looked up at once.
const workers = 16

// fill finds the chains of the images.
func (f finder) fill(ctx context.Context, a Answer) {
	var group errgroup.Group
	group.SetLimit(workers)
	for i := range a.Images {
		group.Go(func() error {
			chains, problem := f.chains(ctx, a.Images[i].Ref)
			for _, c := range chains {
				a.Images[i].Chains = append(a.Images[i].Chains, c.Image())
			}
			a.Problems[i] = problem
			return nil
		})
	}
	_ = group.Wait()
}
