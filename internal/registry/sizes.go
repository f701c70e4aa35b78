package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// After how many failures in a row a registry is not asked for sizes any more. It may
// be one that only the builder can reach, through a mirror.
const hopeless = 2

// Sizes returns the compressed sizes of an image's layers in bytes, bottom first. An
// empty platform is this machine's. They only make forecasts better, so that each is asked
// for once, and not at all of a registry that does not answer.
func (c *Client) Sizes(ctx context.Context, image, platform string) ([]int64, error) {
	ref, err := parse(image)
	if err != nil {
		return nil, err
	}
	p, err := platformOf(platform)
	if err != nil {
		return nil, err
	}
	host := ref.Host()
	if c.isHopeless(host) {
		return nil, fmt.Errorf("%w: %s is not asked any more", ErrUnavailable, host)
	}
	chain, err := c.resolve(ctx, ref, p, sizesTries)
	c.note(host, err)
	if err != nil {
		return nil, err
	}
	return chain.Sizes(), nil
}

func platformOf(text string) (ocispecs.Platform, error) {
	if text == "" {
		return ownPlatform(), nil
	}
	return platforms.Parse(text)
}

func (c *Client) isHopeless(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures[host] >= hopeless
}

func (c *Client) note(host string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrDenied) {
		c.failures[host]++
		return
	}
	c.failures[host] = 0
}
