package cache

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/layers"
)

// chain makes an image's chain of one layer for each word of blobs, bottom
// first. Its digests follow from ref and blobs.
func chain(ref, blobs string) layers.Chain {
	d := digest.FromString(ref + "\n" + blobs)
	return chainAt(ref, d, blobs)
}

// chainAt is chain for one platform of an index with the digest d.
func chainAt(ref string, d digest.Digest, blobs string) layers.Chain {
	var list []layers.Layer
	for _, b := range strings.Fields(blobs) {
		list = append(list, layers.Layer{Digest: digest.FromString(b), Size: 1})
	}
	manifest := digest.FromString("manifest\n" + blobs)
	return layers.NewChain(ref, d, manifest, v1.Platform{OS: "linux", Architecture: "amd64"}, list)
}

func pulled(c layers.Chain) string { return fmt.Sprintf("pulled from %s@%s", c.Ref, c.Digest) }

// rec makes a regular record of one byte that stands on parents (words).
func rec(id, parents, description string) Record {
	return Record{ID: id, Parents: strings.Fields(parents), Description: description, Kind: KindRegular, Size: 1}
}

// stack makes the records of a pulled image: id0, id1 and so on.
func stack(id string, c layers.Chain) []Record {
	var list []Record
	for d := range c.Layers {
		r := rec(fmt.Sprint(id, d), "", pulled(c))
		if d > 0 {
			r.Parents = []string{fmt.Sprint(id, d-1)}
		}
		list = append(list, r)
	}
	return list
}

func set(ids string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, id := range strings.Fields(ids) {
		m[id] = struct{}{}
	}
	return m
}

// ours is the steps of the tests' plans.
func ours(description string) bool { return strings.Contains(description, "our") }
