package layers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// ErrManifest marks what a registry has sent that makes no sense.
var ErrManifest = errors.New("unusable manifest")

// Of returns the layers that an image's manifest lists, bottom first.
func Of(manifest []byte) ([]Layer, error) {
	var m ocispecs.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	list := make([]Layer, len(m.Layers))
	for i, l := range m.Layers {
		if err := l.Digest.Validate(); err != nil {
			return nil, fmt.Errorf("%w: layer %d: %w", ErrManifest, i+1, err)
		}
		list[i] = Layer{Digest: l.Digest, Size: l.Size}
	}
	return list, nil
}

// Pick chooses the manifest of an index as BuildKit does (PullManifests in its
// util/pull): what containerd's matcher accepts, the closest first; entries
// without a platform only when nothing else is there. It tells whether there is one.
func Pick(index []byte, want ocispecs.Platform) (d digest.Digest, there bool, err error) {
	var i ocispecs.Index
	if err := json.Unmarshal(index, &i); err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	match := platforms.Only(want)
	list := slices.DeleteFunc(i.Manifests, func(d ocispecs.Descriptor) bool {
		return d.Platform != nil && !match.Match(*d.Platform)
	})
	if len(list) == 0 {
		return "", false, nil
	}
	closest := slices.MinFunc(list, func(a, b ocispecs.Descriptor) int {
		switch {
		case a.Platform == nil || b.Platform == nil:
			return cmp.Compare(missing(a), missing(b))
		case match.Less(*a.Platform, *b.Platform):
			return -1
		case match.Less(*b.Platform, *a.Platform):
			return 1
		}
		return 0
	})
	if err := closest.Digest.Validate(); err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return closest.Digest, true, nil
}

func missing(d ocispecs.Descriptor) int {
	if d.Platform == nil {
		return 1
	}
	return 0
}
