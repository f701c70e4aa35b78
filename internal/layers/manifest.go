package layers

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// errAnswer marks what a registry sent, or was to be asked, that makes no sense.
var errAnswer = errors.New("unusable manifest")

// maxNesting bounds indexes within indexes.
const maxNesting = 4

// read turns what a registry sent into a chain. An index costs another request
// unless the platform's manifest is kept on disk.
func (r *Resolver) read(desc *remote.Descriptor) (Chain, error) {
	resolved := digest.Digest(desc.Digest.String())
	switch {
	case desc.MediaType.IsImage():
		return r.readManifest(resolved, resolved, desc.Manifest)
	case desc.MediaType.IsIndex():
		idx, err := desc.ImageIndex()
		if err != nil {
			return Chain{}, fmt.Errorf("%w: %w", errAnswer, err)
		}
		return r.readIndex(resolved, idx, maxNesting)
	default:
		return Chain{}, fmt.Errorf("%w: its media type is %q, neither an image nor an index", errAnswer, desc.MediaType)
	}
}

func (r *Resolver) readIndex(resolved digest.Digest, idx v1.ImageIndex, nesting int) (Chain, error) {
	if nesting == 0 {
		return Chain{}, fmt.Errorf("%w: indexes are nested too deeply", errAnswer)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return Chain{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	child, err := pick(m.Manifests, r.opts.Platform)
	if err != nil {
		return Chain{}, err
	}
	if child.MediaType.IsIndex() {
		inner, err := idx.ImageIndex(child.Digest)
		if err != nil {
			return Chain{}, err
		}
		return r.readIndex(resolved, inner, nesting-1)
	}
	manifest := digest.Digest(child.Digest.String())
	if c, ok := r.store.get(manifest); ok {
		return r.chain(resolved, manifest, c.Layers), nil
	}
	img, err := idx.Image(child.Digest)
	if err != nil {
		return Chain{}, err
	}
	raw, err := img.RawManifest()
	if err != nil {
		return Chain{}, err
	}
	return r.readManifest(resolved, manifest, raw)
}

func (r *Resolver) readManifest(resolved, manifest digest.Digest, raw []byte) (Chain, error) {
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return Chain{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	list := make([]Layer, len(m.Layers))
	for i, l := range m.Layers {
		list[i] = Layer{Digest: digest.Digest(l.Digest.String()), Size: l.Size}
	}
	return r.chain(resolved, manifest, list), nil
}

func (r *Resolver) chain(resolved, manifest digest.Digest, list []Layer) Chain {
	return Chain{Digest: resolved, Manifest: manifest, Platform: r.opts.Platform, Layers: list}
}

// pick chooses the manifest of an index as BuildKit does (PullManifests in its
// util/pull): what containerd's matcher accepts, the closest first; entries
// without a platform only when nothing else is there.
func pick(list []v1.Descriptor, want v1.Platform) (v1.Descriptor, error) {
	match := platforms.Only(ociPlatform(want))
	list = slices.DeleteFunc(slices.Clone(list), func(d v1.Descriptor) bool {
		return d.Platform != nil && !match.Match(ociPlatform(*d.Platform))
	})
	if len(list) == 0 {
		return v1.Descriptor{}, fmt.Errorf("%w: it is not there for platform %s: choose another platform or base image", ErrNotFound, want)
	}
	return slices.MinFunc(list, func(a, b v1.Descriptor) int {
		switch {
		case a.Platform == nil || b.Platform == nil:
			return cmp.Compare(missing(a), missing(b))
		case match.Less(ociPlatform(*a.Platform), ociPlatform(*b.Platform)):
			return -1
		case match.Less(ociPlatform(*b.Platform), ociPlatform(*a.Platform)):
			return 1
		}
		return 0
	}), nil
}

func missing(d v1.Descriptor) int {
	if d.Platform == nil {
		return 1
	}
	return 0
}

func ociPlatform(p v1.Platform) ocispecs.Platform {
	return platforms.Normalize(ocispecs.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		OSVersion: p.OSVersion, OSFeatures: p.OSFeatures,
	})
}
