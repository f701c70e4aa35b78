// Package layers knows what images are made of. It resolves references to
// chains of layers with as few requests to registries as possible, and gives
// every layer an identity that can be compared between images.
package layers

import (
	"crypto/sha256"
	"encoding/hex"

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

// Key is the identity of a layer at its place: it stands for the layer and all
// layers below it. BuildKit shares a pulled record between images by exactly
// this (GetByBlob in its cache/manager.go looks records up by their chain of
// blobs), so two images share a record where their keys are equal. The zero
// Key is no layer.
type Key [sha256.Size]byte

// String returns the key in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// IsZero tells whether k is no layer's key.
func (k Key) IsZero() bool { return k == Key{} }

// next is the key of the layer d on top of the layer with key k.
func (k Key) next(d digest.Digest) Key {
	h := sha256.New()
	h.Write(k[:])
	h.Write([]byte(d))
	var n Key
	h.Sum(n[:0])
	return n
}

// Chain is what one reference stands for: an image's layers, bottom first.
// Make one with NewChain. Chains are values, share their slices, must not be
// changed, and may be used by several goroutines.
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

	keys []Key
}

// NewChain returns the chain of layers, bottom first, and computes its keys.
func NewChain(ref string, resolved, manifest digest.Digest, platform v1.Platform, layers []Layer) Chain {
	c := Chain{Ref: ref, Digest: resolved, Manifest: manifest, Platform: platform, Layers: layers}
	c.keys = make([]Key, len(layers))
	var k Key
	for i, l := range layers {
		k = k.next(l.Digest)
		c.keys[i] = k
	}
	return c
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

// Key returns the key of the layer at depth; the bottom layer's depth is 0. It
// is the zero Key where the chain has no such layer.
func (c Chain) Key(depth int) Key {
	if depth < 0 || depth >= len(c.keys) {
		return Key{}
	}
	return c.keys[depth]
}

// Keys returns the keys of all layers, bottom first. The caller must not change
// them.
func (c Chain) Keys() []Key { return c.keys }

// Top returns the key of the topmost layer, which steps of a build hang on. It
// is the zero Key where the image has no layers.
func (c Chain) Top() Key { return c.Key(len(c.keys) - 1) }

// Size returns the compressed bytes of all layers.
func (c Chain) Size() int64 {
	var n int64
	for _, l := range c.Layers {
		n += l.Size
	}
	return n
}
