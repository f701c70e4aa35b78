// Package layers knows what images are made of: it reads manifests, and keeps chains
// of layers on disk by their digests.
package layers

import (
	digest "github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

// Layer is one layer of an image, as its manifest lists it.
type Layer struct {
	// Digest is that of the compressed blob.
	Digest digest.Digest `json:"digest"`
	// Size is that of the compressed blob, in bytes. On a builder a pulled
	// layer takes about twice its unpacked size or more, because BuildKit keeps
	// the blob and the unpacked snapshot.
	Size int64 `json:"size"`
}

// Chain is what one reference stands for: an image's layers, bottom first. Chains
// are values, share their slices, must not be changed, and may be used by several
// goroutines.
type Chain struct {
	// Ref is the reference that was asked for with all spelled out, such as
	// docker.io/library/debian:12. It is empty in a chain that was looked up by
	// digest alone.
	Ref string
	// Digest is what the reference resolved to: the index's digest where the
	// tag is an index. BuildKit names records by this one, "pulled from
	// REF@DIGEST" (measured on v0.34.2).
	Digest digest.Digest
	// Manifest is the digest of the platform's own manifest; it equals Digest
	// where there is no index.
	Manifest digest.Digest
	Layers   []Layer
}

// Sizes returns the sizes of the compressed layers.
func (c Chain) Sizes() []int64 {
	sizes := make([]int64, len(c.Layers))
	for i, l := range c.Layers {
		sizes[i] = l.Size
	}
	return sizes
}

// Image returns what the graphs of builds need of the chain. Its layers have the
// digests of the compressed blobs.
func (c Chain) Image() graph.ImageLayers {
	i := graph.ImageLayers{Ref: c.Ref, Digest: c.Digest.String(), Manifest: c.Manifest.String(), Sizes: c.Sizes()}
	for _, l := range c.Layers {
		i.Digests = append(i.Digests, l.Digest.String())
	}
	return i
}
