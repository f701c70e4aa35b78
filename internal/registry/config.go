package registry

import (
	"context"
	"runtime"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Config returns what a reference stands for and the config of the image that it
// is for a platform; nil is this machine's.
func (c *Client) Config(ctx context.Context, ref string, platform *ocispecs.Platform) (digest.Digest, []byte, error) {
	parsed, err := c.Reference(ref)
	if err != nil {
		return "", nil, err
	}
	p := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if platform != nil {
		n := platforms.Normalize(*platform)
		p = v1.Platform{OS: n.OS, Architecture: n.Architecture, Variant: n.Variant}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	desc, err := remote.Get(parsed, remote.Reuse(c.puller), remote.WithPlatform(p), remote.WithContext(ctx))
	if err != nil {
		return "", nil, err
	}
	image, err := desc.Image()
	if err != nil {
		return "", nil, err
	}
	config, err := image.RawConfigFile()
	return digest.Digest(desc.Digest.String()), config, err
}
