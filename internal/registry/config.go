package registry

import (
	"context"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/layers"
)

// Config returns what a reference stands for and the config of the image that it
// is for a platform; nil is this machine's. What is kept on disk costs no request, and one
// by tag a HEAD of its manifest. The chain is kept, too.
func (c *Client) Config(ctx context.Context, image string, platform *ocispecs.Platform) (digest.Digest, []byte, error) {
	ref, err := parse(image)
	if err != nil {
		return "", nil, err
	}
	at, err := c.locateAt(ref.Host(), ref)
	if err != nil {
		return "", nil, err
	}
	p := ownPlatform()
	if platform != nil {
		p = platforms.Normalize(*platform)
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	d := ref.Digest()
	if d == "" && c.store.Dir != "" {
		if desc, err := c.puller.Head(ctx, at); err == nil {
			d = digestOf(desc.Digest)
		}
	}
	if kept, known := c.store.GetConfig(d, p); known {
		return d, kept, nil
	}
	d, desc, err := c.manifest(ctx, at, p, func(digest.Digest) bool { return false })
	if err != nil {
		return "", nil, err
	}
	i, err := desc.Image()
	if err != nil {
		return "", nil, err
	}
	config, err := i.RawConfigFile()
	if err != nil {
		return "", nil, err
	}
	c.keep(d, p, desc, config)
	return d, config, nil
}

// keep keeps what was sent of an image. That it cannot be kept on disk is no error: it only
// saves requests.
func (c *Client) keep(d digest.Digest, p ocispecs.Platform, desc *remote.Descriptor, config []byte) {
	c.manifests.put(d, p, desc.Manifest)
	if list, err := layers.Of(desc.Manifest); err == nil {
		_ = c.store.Put(layers.Chain{Digest: d, Manifest: digestOf(desc.Digest), Layers: list}, p)
	}
	_ = c.store.PutConfig(d, p, config)
}
