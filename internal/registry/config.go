package registry

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Config returns what a reference stands for and the config of the image that it
// is for a platform; nil is this machine's.
func (c *Client) Config(ctx context.Context, image string, platform *ocispecs.Platform) (digest.Digest, []byte, error) {
	at, err := c.locate(image)
	if err != nil {
		return "", nil, err
	}
	p := ownPlatform()
	if platform != nil {
		p = *platform
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	resolved, desc, err := c.manifest(ctx, at, p, func(digest.Digest) bool { return false })
	if err != nil {
		return "", nil, err
	}
	i, err := desc.Image()
	if err != nil {
		return "", nil, err
	}
	config, err := i.RawConfigFile()
	return resolved, config, err
}
