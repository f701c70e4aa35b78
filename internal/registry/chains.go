package registry

import (
	"context"
	"fmt"
	"net/http"
	"runtime"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/layers"
)

// Resolve returns the chain of an image for a platform. One by digest that is kept on
// disk costs no request. One by tag costs a HEAD of its manifest where chains are kept
// (registries that count pulls count GETs only), and nothing more where what it stands
// for is kept; else a GET of its manifest, or two where it is an index. Besides there
// is one request to each registry, and one for a token where the registry wants
// one for each repository. A failure is not remembered.
//
// See ErrNotFound, ErrDenied and ErrUnavailable for the errors. A chain that
// could not be kept on disk is no error: it is asked for again next time.
func (c *Client) Resolve(ctx context.Context, image string, p ocispecs.Platform) (layers.Chain, error) {
	ref, err := parse(image)
	if err != nil {
		return layers.Chain{}, err
	}
	return c.resolve(ctx, ref, p, chainTries)
}

func (c *Client) resolve(ctx context.Context, ref imageref.Ref, p ocispecs.Platform, tries uint) (layers.Chain, error) {
	p = platforms.Normalize(p)
	chain, err := c.found.Do(ctx, ref.String()+" "+platforms.FormatAll(p), func(ctx context.Context) (layers.Chain, error) {
		return c.find(ctx, ref, p, tries)
	})
	switch {
	case err == nil:
		return chain, nil
	case ctx.Err() != nil:
		return layers.Chain{}, fmt.Errorf("resolve %s: %w", ref, context.Cause(ctx))
	}
	return layers.Chain{}, explain(ref.String(), err)
}

// Lookup returns the chain of an index's or a manifest's digest from disk,
// without a request. With it the names of records can be explained that were
// pulled in earlier runs. The chain has no Ref.
func (c *Client) Lookup(d digest.Digest, p ocispecs.Platform) (layers.Chain, bool) {
	return c.store.Get(d, platforms.Normalize(p))
}

// find gets a chain from disk or from the registry.
func (c *Client) find(ctx context.Context, ref imageref.Ref, p ocispecs.Platform, tries uint) (layers.Chain, error) {
	chain, known := c.store.Get(ref.Digest(), p)
	if !known {
		var err error
		chain, err = patiently(ctx, c, tries, func() (layers.Chain, error) { return c.fetch(ctx, ref, p, c.store.Get) })
		if err != nil {
			return layers.Chain{}, err
		}
		// A full or read-only disk must not stop the run: the entry only saves
		// a request.
		_ = c.store.Put(chain, p)
	}
	chain.Ref = ref.String()
	return chain, nil
}

// lookup finds the chain of a digest that is at hand, so that its manifest is not needed.
type lookup func(d digest.Digest, p ocispecs.Platform) (layers.Chain, bool)

// always has the manifest be asked for.
func always(digest.Digest, ocispecs.Platform) (layers.Chain, bool) { return layers.Chain{}, false }

// fetch asks the mirrors and the registry once.
func (c *Client) fetch(ctx context.Context, ref imageref.Ref, p ocispecs.Platform, atHand lookup) (layers.Chain, error) {
	for _, mirror := range c.options.Mirrors[ref.Host()] {
		if chain, err := c.fetchFrom(ctx, mirror, ref, p, atHand); err == nil {
			return chain, nil
		}
	}
	return c.fetchFrom(ctx, ref.Host(), ref, p, atHand)
}

func (c *Client) fetchFrom(ctx context.Context, place string, ref imageref.Ref, p ocispecs.Platform, atHand lookup) (layers.Chain, error) {
	at, err := c.locateAt(place, ref)
	if err != nil {
		return layers.Chain{}, fmt.Errorf("%w: %w", layers.ErrManifest, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	if chain, known, err := c.knownByTag(ctx, at, p); known || err != nil {
		return chain, err
	}
	var kept layers.Chain
	resolved, desc, err := c.manifest(ctx, at, p, func(d digest.Digest) (known bool) {
		kept, known = atHand(d, p)
		return known
	})
	switch {
	case err != nil:
		return layers.Chain{}, err
	case desc == nil:
		kept.Digest = resolved
		return kept, nil
	}
	c.manifests.put(resolved, p, desc.Manifest)
	list, err := layers.Of(desc.Manifest)
	return layers.Chain{Digest: resolved, Manifest: digestOf(desc.Digest), Layers: list}, err
}

// knownByTag returns the chain that a tag stands for, if that is kept. Other failures
// than to be asked too often are left to be told by the answer with the manifest, which
// says more.
func (c *Client) knownByTag(ctx context.Context, at name.Reference, p ocispecs.Platform) (chain layers.Chain, known bool, err error) {
	if _, tag := at.(name.Tag); !tag || c.store.Dir == "" {
		return chain, false, nil
	}
	desc, err := c.puller.Head(ctx, at)
	switch {
	case err == nil:
		chain, known = c.store.Get(digestOf(desc.Digest), p)
		return chain, known, nil
	case statusCode(err) == http.StatusTooManyRequests:
		return chain, false, err
	}
	return chain, false, nil
}

// maxNesting bounds indexes within indexes.
const maxNesting = 4

// manifest asks for the manifest of an image for a platform: the one that a reference
// stands for, or one of that index. It is not asked for, and nil, when its digest is
// enough. Resolved is the digest that the reference stands for.
func (c *Client) manifest(ctx context.Context, at name.Reference, p ocispecs.Platform, enough func(digest.Digest) bool) (
	resolved digest.Digest, desc *remote.Descriptor, err error) {
	if desc, err = c.puller.Get(ctx, at); err != nil {
		return "", nil, err
	}
	resolved = digestOf(desc.Digest)
	for range maxNesting {
		switch {
		case desc.MediaType.IsImage():
			return resolved, desc, nil
		case !desc.MediaType.IsIndex():
			return "", nil, fmt.Errorf("%w: its media type is %q, neither an image nor an index", layers.ErrManifest, desc.MediaType)
		}
		child, there, err := layers.Pick(desc.Manifest, p)
		switch {
		case err != nil:
			return "", nil, err
		case !there:
			return "", nil, fmt.Errorf("%w: it is not there for platform %s: choose another platform or base image", ErrNotFound, platforms.FormatAll(p))
		case enough(child):
			return resolved, nil, nil
		}
		if desc, err = c.puller.Get(ctx, at.Context().Digest(child.String())); err != nil {
			return "", nil, err
		}
	}
	return "", nil, fmt.Errorf("%w: indexes are nested too deeply", layers.ErrManifest)
}

func digestOf(h v1.Hash) digest.Digest { return digest.Digest(h.String()) }

// ownPlatform is this machine's, of images.
func ownPlatform() ocispecs.Platform {
	return platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: runtime.GOARCH})
}
