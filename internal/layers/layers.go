// Package layers asks registries what images are made of: it resolves references
// to their chains of layers with as few requests as possible. What a builder can
// be asked is asked of that; this is for what a builder does not tell, such as
// compressed sizes, and for images that nobody builds on now.
package layers

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
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
	// Ref is the normalized reference that was asked for, such as
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
	// Platform is the one that was asked for.
	Platform v1.Platform
	Layers   []Layer
}

// Image returns what the graphs of builds need of the chain. Its layers have the
// digests of the compressed blobs.
func (c Chain) Image() graph.ImageLayers {
	i := graph.ImageLayers{Ref: c.Ref, Digest: c.Digest.String(), Manifest: c.Manifest.String()}
	for _, l := range c.Layers {
		i.Digests, i.Sizes = append(i.Digests, l.Digest.String()), append(i.Sizes, l.Size)
	}
	return i
}
