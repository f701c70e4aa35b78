package registry

import (
	"sync"

	"github.com/containerd/platforms"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/imageref"
)

// manifests are those that registries have sent of base images, by digests and platforms:
// they may be needed again, to assemble images. It may be used by several goroutines.
type manifests struct{ known sync.Map }

func (m *manifests) get(ref imageref.Ref, p ocispecs.Platform) ([]byte, bool) {
	kept, known := m.known.Load(manifestKey(ref.Digest(), p))
	if !known {
		return nil, false
	}
	return kept.([]byte), true
}

func (m *manifests) put(resolved digest.Digest, p ocispecs.Platform, manifest []byte) {
	m.known.Store(manifestKey(resolved, p), manifest)
}

func manifestKey(d digest.Digest, p ocispecs.Platform) string {
	return d.String() + " " + platforms.FormatAll(platforms.Normalize(p))
}
