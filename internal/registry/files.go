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
	files, err := fromLayer(ctx, c, image, layer, readFiles)
	if err == nil {
		_ = c.files.Put(layer.Digest, files) // it only saves a request
	}
	return files, err
}

// Plain returns the beginning of a layer of an image as it is when it is not compressed, as far
// as most bytes. ctx bounds the time.
func (c *Client) Plain(ctx context.Context, image string, layer layers.Layer, most int64) ([]byte, error) {
	return fromLayer(ctx, c, image, layer, func(body io.Reader) ([]byte, error) { return layers.ReadPlain(body, most) })
}

// fromLayer reads something of a layer, at the first place that has it.
func fromLayer[T any](ctx context.Context, c *Client, image string, layer layers.Layer, read func(io.Reader) (T, error)) (got T, err error) {
	ref, err := parse(image)
	if err != nil {
		return got, err
	}
	var failed error
	for _, place := range slices.Concat(c.options.Mirrors[ref.Host()], []string{ref.Host()}) {
		at, err := c.locateAt(place, ref)
		if err == nil {
			if got, err = readLayer(ctx, c, at.Context().Digest(layer.Digest.String()), read); err == nil {
				return got, nil
			}
		}
		failed = err
	}
	return got, explain(fmt.Sprintf("the layer %s of %s", layer.Digest, ref), failed)
}

// readLayer reads something of a layer at one place. Read to its end, it is what its digest
// says: the library sees to that.
func readLayer[T any](ctx context.Context, c *Client, at name.Digest, read func(io.Reader) (T, error)) (got T, err error) {
	blob, err := c.puller.Layer(ctx, at)
	if err != nil {
		return got, err
	}
	body, err := blob.Compressed()
	if err != nil {
		return got, err
	}
	defer body.Close()
	return read(body)
}

// readFiles reads which files a layer has, and all of it.
func readFiles(body io.Reader) (layers.Files, error) {
	files, err := layers.ReadFiles(body)
	if err != nil {
		return layers.Files{}, err
	}
	_, err = io.Copy(io.Discard, body)
	return files, err
}
