package registry

import (
	"context"
	"net/http"

	"github.com/stoker-build/stoker/internal/imageref"
)

// Tags lists the tags of a reference's repository. Where that does not exist, or has none
// that a registry tells, there are none.
func (c *Client) Tags(ctx context.Context, image string) ([]string, error) {
	ref, err := c.locate(image)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	tags, err := c.puller.List(ctx, ref.Context())
	if statusCode(err) == http.StatusNotFound {
		return nil, nil
	}
	return tags, err
}

// Repositories lists those of a reference's registry, as paths in it. Docker Hub, which
// has millions and no list of them, is not asked: there are none.
func (c *Client) Repositories(ctx context.Context, image string) ([]string, error) {
	ref, err := c.locate(image)
	if err != nil || imageref.HostOf(image) == imageref.DockerHub {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	repositories, err := c.puller.Catalog(ctx, ref.Context().Registry)
	if statusCode(err) == http.StatusNotFound {
		return nil, nil
	}
	return repositories, err
}
