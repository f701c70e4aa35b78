package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/stoker-build/stoker/internal/layers"
)

// mostRead is how large a compressed layer may be that is read for its files.
const mostRead = 512 << 20

// ErrTooLarge says that a layer is too large to be read for its files.
var ErrTooLarge = errors.New("too large to be read")

// Files returns which files a layer of an image has. They are kept on disk by the layer's
// digest, so that each layer is read once; all of it is, since nothing else tells what is
// not in it. ctx bounds the time. See ErrTooLarge.
func (c *Client) Files(ctx context.Context, image string, layer layers.Layer) (layers.Files, error) {
	if files, kept := c.files.Get(layer.Digest); kept {
		return files, nil
	}
	if layer.Size > mostRead {
		return layers.Files{}, ErrTooLarge
	}
	ref, err := parse(image)
	if err != nil {
		return layers.Files{}, err
	}
	var failed error
	for _, place := range slices.Concat(c.options.Mirrors[ref.Host()], []string{ref.Host()}) {
		at, err := c.locateAt(place, ref)
		if err == nil {
			var files layers.Files
			if files, err = c.readFiles(ctx, at.Context().Digest(layer.Digest.String())); err == nil {
				_ = c.files.Put(layer.Digest, files) // it only saves a request
				return files, nil
			}
		}
		failed = err
	}
	return layers.Files{}, explain(fmt.Sprintf("the layer %s of %s", layer.Digest, ref), failed)
}

// readFiles reads a layer at one place. That it is what its digest says, the library sees to.
func (c *Client) readFiles(ctx context.Context, at name.Digest) (layers.Files, error) {
	blob, err := c.puller.Layer(ctx, at)
	if err != nil {
		return layers.Files{}, err
	}
	body, err := blob.Compressed()
	if err != nil {
		return layers.Files{}, err
	}
	defer body.Close()
	files, err := layers.ReadFiles(body)
	if err != nil {
		return layers.Files{}, err
	}
	_, err = io.Copy(io.Discard, body) // to its end, for the digest
	return files, err
}
