package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/layers"
)

// How many layers of an image are put into a repository at once.
const layerWorkers = 4

// Image returns the manifest and the configuration of what a reference stands for, for a
// platform; an empty one is this machine's.
func (c *Client) Image(ctx context.Context, image, platform string) (assemble.Image, error) {
	ref, p, err := parseFor(image, platform)
	if err != nil {
		return assemble.Image{}, err
	}
	return patiently(ctx, c, existsTries, func() (assemble.Image, error) {
		ctx, cancel := context.WithTimeout(ctx, c.patience)
		defer cancel()
		at, err := c.locateAt(ref.Host(), ref)
		if err != nil {
			return assemble.Image{}, err
		}
		_, desc, err := c.manifest(ctx, at, p, func(digest.Digest) bool { return false })
		if err != nil {
			return assemble.Image{}, err
		}
		i, err := desc.Image()
		if err != nil {
			return assemble.Image{}, err
		}
		config, err := i.RawConfigFile()
		return assemble.Image{MediaType: string(desc.MediaType), Manifest: desc.Manifest, Config: config}, err
	})
}

// Manifest returns the manifest of a base image, by its digest, for a platform. What was
// asked for already is not asked for again.
func (c *Client) Manifest(ctx context.Context, image, platform string) ([]byte, error) {
	ref, p, err := parseFor(image, platform)
	if err != nil {
		return nil, err
	}
	if kept, known := c.manifests.get(ref, p); known {
		return kept, nil
	}
	_, err = patiently(ctx, c, existsTries, func() (layers.Chain, error) { return c.fetch(ctx, ref, p, always) })
	kept, known := c.manifests.get(ref, p)
	if err == nil && !known {
		err = fmt.Errorf("the registry has sent another image for %s", ref)
	}
	return kept, err
}

func parseFor(image, platform string) (ref imageref.Ref, p ocispecs.Platform, err error) {
	if ref, err = parse(image); err != nil {
		return ref, p, err
	}
	p, err = platformOf(platform)
	return ref, p, err
}

// Push puts an image into the repositories of its tags. Layers that are not there are
// mounted from where they are, or from where an earlier push to that registry has put them,
// or copied where a registry does not do that or has not got them. It returns how many bytes
// were copied; alive is called as they are, from several goroutines.
func (c *Client) Push(ctx context.Context, tags []string, image assemble.Image, layers []assemble.Layer, alive func()) (copied int64, err error) {
	p := &push{client: c, image: image, layers: layers, alive: alive}
	var refs []name.Reference
	for _, tag := range tags {
		ref, err := c.locate(tag)
		if err != nil {
			return 0, err
		}
		refs = append(refs, ref)
	}
	filled := map[name.Repository]bool{}
	for _, ref := range refs {
		if to := ref.Context(); !filled[to] {
			filled[to] = true
			err = p.fill(ctx, to)
		}
		if err == nil {
			err = p.put(ctx, ref)
		}
		if err != nil {
			return p.copied.Load(), fmt.Errorf("failed to push %s: %w", ref, err)
		}
	}
	return p.copied.Load(), nil
}

// push is one push of an image.
type push struct {
	client *Client
	image  assemble.Image
	layers []assemble.Layer
	alive  func()
	copied atomic.Int64
	target *target // the repository that was filled last; nil where it is left to the library
}

// fill puts what the image consists of into a repository.
func (p *push) fill(ctx context.Context, to name.Repository) error {
	left, config := p.quickly(ctx, to)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(layerWorkers)
	for _, l := range left {
		group.Go(func() error { return p.place(ctx, to, l) })
	}
	if config {
		group.Go(func() error {
			return p.upload(ctx, to, func(context.Context, func()) (v1.Layer, error) {
				return static.NewLayer(p.image.Config, types.MediaType(ocispecs.MediaTypeImageConfig)), nil
			})
		})
	}
	return group.Wait()
}

// place puts a layer into a repository: mounted where that is in the same registry, else copied.
func (p *push) place(ctx context.Context, to name.Repository, l assemble.Layer) error {
	from, err := parse(l.From)
	if err != nil {
		return err
	}
	at, err := p.client.locateAt(from.Host(), from)
	if err != nil {
		return err
	}
	abroad := at.Context().Registry != to.Registry
	upload := func() error {
		return p.upload(ctx, to, func(ctx context.Context, heard func()) (v1.Layer, error) {
			blob := &blob{push: p, ctx: ctx, from: from, descriptor: l.Descriptor, heard: heard}
			if abroad {
				return blob, nil
			}
			return &remote.MountableLayer{Layer: blob, Reference: at}, nil
		})
	}
	if abroad {
		return p.copyOnce(ctx, to, l, upload)
	}
	return upload()
}

// upload puts a layer into a repository that does not have it.
func (p *push) upload(ctx context.Context, to name.Repository, layer func(ctx context.Context, heard func()) (v1.Layer, error)) error {
	_, err := patiently(ctx, p.client, existsTries, func() (struct{}, error) {
		ctx, heard, cancel := whileHeard(ctx, p.client.patience)
		defer cancel()
		l, err := layer(ctx, heard)
		if err == nil {
			err = p.client.pusher.Upload(ctx, to, l)
		}
		p.alive()
		return struct{}{}, err
	})
	return err
}

// put writes the manifest.
func (p *push) put(ctx context.Context, ref name.Reference) error {
	_, err := patiently(ctx, p.client, existsTries, func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, p.client.patience)
		defer cancel()
		if t := p.target; t != nil && t.to == ref.Context() && t.put(ctx, p.image, ref) == nil {
			return struct{}{}, nil
		}
		return struct{}{}, p.client.pusher.Put(ctx, ref, rawManifest{p.image})
	})
	p.alive()
	return err
}

// rawManifest is a manifest as the library takes it.
type rawManifest struct{ of assemble.Image }

func (m rawManifest) RawManifest() ([]byte, error) { return m.of.Manifest, nil }
func (m rawManifest) MediaType() (types.MediaType, error) {
	return types.MediaType(m.of.MediaType), nil
}

// errSilent is why a copy ended of which nothing was heard.
var errSilent = errors.New("the registry has sent or taken nothing for too long")

// whileHeard ends a context when nothing was heard for a while.
func whileHeard(ctx context.Context, limit time.Duration) (_ context.Context, heard func(), cancel func()) {
	ctx, end := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { end(errSilent) })
	return ctx, func() { timer.Reset(limit) }, func() {
		timer.Stop()
		end(nil)
	}
}

// blob is a layer that may have to be copied from where it is. It implements the
// library's Layer.
type blob struct {
	push       *push
	ctx        context.Context // of the upload, which the library does not hand on
	from       imageref.Ref
	descriptor ocispecs.Descriptor
	heard      func()
}

var errPacked = errors.New("the layer is not unpacked to be copied")

func (b *blob) Digest() (v1.Hash, error) { return v1.NewHash(b.descriptor.Digest.String()) }
func (b *blob) Size() (int64, error)     { return b.descriptor.Size, nil }
func (b *blob) MediaType() (types.MediaType, error) {
	return types.MediaType(b.descriptor.MediaType), nil
}
func (b *blob) DiffID() (v1.Hash, error)             { return v1.Hash{}, errPacked }
func (b *blob) Uncompressed() (io.ReadCloser, error) { return nil, errPacked }

// Compressed reads the layer from a mirror or from its registry.
func (b *blob) Compressed() (io.ReadCloser, error) {
	c := b.push.client
	var first error
	for _, place := range append(c.options.Mirrors[b.from.Host()], b.from.Host()) {
		at, err := c.locateAt(place, b.from)
		if err != nil {
			return nil, err
		}
		layer, err := c.puller.Layer(b.ctx, at.Context().Digest(b.descriptor.Digest.String()))
		if err != nil {
			first = errors.Join(first, err)
			continue
		}
		r, err := layer.Compressed()
		if err == nil {
			return &counted{r, b}, nil
		}
		first = errors.Join(first, err)
	}
	return nil, first
}

// counted counts what is read of a blob.
type counted struct {
	io.ReadCloser
	blob *blob
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.blob.push.copied.Add(int64(n))
		r.blob.heard()
		r.blob.push.alive()
	}
	return n, err
}
