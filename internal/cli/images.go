package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/buildx/util/platformutil"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// imageOptions name base images whose cache is looked at or removed.
type imageOptions struct {
	refs      []string
	list      string
	run       string
	platforms []string
}

func (o *imageOptions) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.refs, "image", nil, "base image `REF`; may be given several times")
	f.StringVar(&o.list, "images", "", "`FILE` with one base image reference per line (- for standard input)")
	f.StringVar(&o.run, "run", "", "output `DIR` of a run: the base images of its jobs")
	f.StringArrayVar(&o.platforms, "platform", defaultPlatforms(), "`PLATFORM` for which images were built on the base images (default the node's own)")
}

// given tells whether any image is named.
func (o imageOptions) given() bool { return len(o.refs) > 0 || o.list != "" || o.run != "" }

// read returns the images, each once, with normalized references. Needed are
// those that are named themselves; those of a run are not, since it is over.
func (o imageOptions) read(stdin io.Reader) ([]cache.Image, error) {
	var images imageSet
	for _, ref := range o.refs {
		if err := images.add(ref, true); err != nil {
			return nil, &flagError{fmt.Errorf("--image: %w", err)}
		}
	}
	listed, err := readImageList(o.list, stdin)
	if err != nil {
		return nil, err
	}
	for _, image := range listed {
		if err := images.add(image.Ref, true); err != nil {
			return nil, fmt.Errorf("--images line %d: %w", image.Line, err)
		}
	}
	if o.run == "" {
		return images.list, nil
	}
	bases, err := ledger.BaseImages(o.run)
	if err != nil {
		return nil, fmt.Errorf("--run %s: %w: it must be the --output-dir of a run", o.run, err)
	}
	for _, ref := range bases {
		if err := images.add(ref, false); err != nil {
			return nil, fmt.Errorf("--run %s: %w", o.run, err)
		}
	}
	return images.list, nil
}

func readImageList(name string, stdin io.Reader) ([]plan.Image, error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		list, _, err := plan.ReadImages("standard input", stdin)
		return list, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--images: %w", err)
	}
	defer f.Close()
	list, _, err := plan.ReadImages(name, f)
	return list, err
}

// imageSet is images by their normalized references.
type imageSet struct {
	list []cache.Image
	seen map[string]bool
}

func (s *imageSet) add(ref string, needed bool) error {
	ref, err := layers.Normalize(ref)
	if err != nil {
		return err
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	if !s.seen[ref] {
		s.seen[ref] = true
		s.list = append(s.list, cache.Image{Ref: ref, Needed: needed})
	}
	return nil
}

// nodeCache is what a node holds, judged for images.
type nodeCache struct {
	node     *builder.Node
	images   []cache.Image
	problems []error // at the places of images: why not all is known of one
	report   *cache.ImageReport
}

// examine lists the records of a builder's nodes and judges them. Without platforms
// each node's own counts.
func (o builderOptions) examine(ctx context.Context, b *builder.Builder, images []cache.Image, named []string) ([]nodeCache, error) {
	platforms, err := platformutil.Parse(named)
	if err != nil {
		return nil, &flagError{fmt.Errorf("--platform: %w", err)}
	}
	var caches []nodeCache
	for _, n := range b.Nodes() {
		records, err := n.Records(ctx)
		if err != nil {
			return nil, &runError{fmt.Errorf("%s: listing the records: %w", n.Name(), err)}
		}
		f := o.finder(n, platforms, records)
		c := nodeCache{node: n, images: append([]cache.Image(nil), images...)}
		c.problems = f.fill(ctx, c.images)
		c.report = cache.ClassifyImages(records, c.images, f.explain, func(name cache.Name) (int, bool) { return f.layers(ctx, name) })
		if ctx.Err() != nil {
			return nil, &runError{context.Cause(ctx)}
		}
		caches = append(caches, c)
	}
	return caches, nil
}

// finder finds the chains of images, for one node.
type finder struct {
	resolvers []*layers.Resolver         // by platform; one at least
	digests   map[string][]digest.Digest // by the references in the records' names
}

// A person waits for the answer, and may ask again.
const finderTries = 2

// How many images are looked up at once.
const finderWorkers = 16

func (o builderOptions) finder(n *builder.Node, platforms []ocispecs.Platform, records []cache.Record) finder {
	if len(platforms) == 0 {
		platforms = []ocispecs.Platform{n.Platform()}
	}
	f := finder{digests: map[string][]digest.Digest{}}
	for _, p := range platforms {
		f.resolvers = append(f.resolvers, layers.NewResolver(layers.Options{
			Dir: filepath.Join(o.stateDir, "chains"), Insecure: o.insecure, Tries: finderTries,
			Platform: v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant},
		}))
	}
	for _, name := range cache.Names(records) {
		f.digests[name.Ref] = append(f.digests[name.Ref], name.Digest)
	}
	return f
}

// fill finds the chains of images.
func (f finder) fill(ctx context.Context, images []cache.Image) (problems []error) {
	problems = make([]error, len(images))
	var group errgroup.Group
	group.SetLimit(finderWorkers)
	for i := range images {
		group.Go(func() error {
			var chains []layers.Chain
			chains, problems[i] = f.chains(ctx, images[i].Ref)
			for _, c := range chains {
				images[i].Chains = append(images[i].Chains, c.Image())
			}
			return nil
		})
	}
	_ = group.Wait()
	return problems
}

// chains returns the chains that a reference stands for, and those of all digests
// that it stands beside in the names of records: its tag may have moved, or be
// gone from the registry. An image that is neither in the registry nor named by
// a record is no error, nor is one that is there for some of the platforms only.
func (f finder) chains(ctx context.Context, ref string) ([]layers.Chain, error) {
	var found []layers.Chain
	var unknown, unresolved error
	for _, r := range f.resolvers {
		chains, err, resolveErr := f.chainsOf(ctx, r, ref)
		found = append(found, chains...)
		if len(f.resolvers) == 1 || !errors.Is(err, layers.ErrNotFound) {
			unknown = errors.Join(unknown, err)
		}
		if !errors.Is(resolveErr, layers.ErrNotFound) {
			unresolved = errors.Join(unresolved, resolveErr)
		}
	}
	if len(found) == 0 && unknown == nil {
		return nil, unresolved
	}
	return found, unknown
}

// chainsOf returns the chains for one platform, why that of a digest in a name is
// not known, and why the reference itself does not resolve.
func (f finder) chainsOf(ctx context.Context, r *layers.Resolver, ref string) (found []layers.Chain, unknown, unresolved error) {
	current, unresolved := r.Resolve(ctx, ref)
	if unresolved == nil {
		found = append(found, current)
	}
	ref, pinned, _ := strings.Cut(ref, "@")
	for _, d := range f.digests[ref] {
		if d == current.Digest || d == current.Manifest || pinned != "" && pinned != d.String() {
			continue
		}
		chain, err := named(ctx, r, cache.Name{Ref: ref, Digest: d})
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
	for _, r := range f.resolvers {
		if chain, ok := r.Lookup(d); ok {
			return graph.LayerIDs(chain.Image().Digests), true
		}
	}
	return nil, false
}

// layers returns how many layers the image of a record's name has.
func (f finder) layers(ctx context.Context, name cache.Name) (n int, known bool) {
	for _, r := range f.resolvers {
		if chain, err := named(ctx, r, name); err == nil {
			n, known = max(n, len(chain.Layers)), true
		}
	}
	return n, known
}

// named returns the chain of a record's name: from disk, else from the registry.
func named(ctx context.Context, r *layers.Resolver, name cache.Name) (layers.Chain, error) {
	if chain, ok := r.Lookup(name.Digest); ok {
		return chain, nil
	}
	return r.Resolve(ctx, name.String())
}
