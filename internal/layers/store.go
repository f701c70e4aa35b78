package layers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2/maybe"
	digest "github.com/opencontainers/go-digest"
)

// store keeps chains on disk by digest and platform. What a digest stands for
// never changes, so entries are never stale. It may be used by several
// goroutines and processes: files appear by renaming.
type store struct {
	dir      string // empty: nothing is kept
	platform v1.Platform
}

// stored is the content of one file. Sum repeats the layers, so that a damaged
// list is noticed.
type stored struct {
	Digest   digest.Digest `json:"digest"`
	Manifest digest.Digest `json:"manifest"`
	Layers   []Layer       `json:"layers"`
	Sum      digest.Digest `json:"sum"`
}

// get returns the chain of a digest. A file that cannot be read or makes no
// sense is as good as none; the next put replaces it.
func (s store) get(d digest.Digest) (Chain, bool) {
	if s.dir == "" || d.Validate() != nil {
		return Chain{}, false
	}
	b, err := os.ReadFile(s.file(d))
	if err != nil {
		return Chain{}, false
	}
	var f stored
	if json.Unmarshal(b, &f) != nil || f.Digest != d {
		return Chain{}, false
	}
	return Chain{Digest: f.Digest, Manifest: f.Manifest, Platform: s.platform, Layers: f.Layers}, sum(f.Layers) == f.Sum
}

func sum(list []Layer) digest.Digest { return digest.FromString(fmt.Sprint(list)) }

// put keeps c under its own digest and under its manifest's, because both can
// stand in a record's name.
func (s store) put(c Chain) error {
	if s.dir == "" {
		return nil
	}
	if err := s.write(c.Digest, c); err != nil || c.Digest == c.Manifest {
		return err
	}
	return s.write(c.Manifest, c)
}

func (s store) write(d digest.Digest, c Chain) error {
	b, err := json.Marshal(stored{Digest: d, Manifest: c.Manifest, Layers: c.Layers, Sum: sum(c.Layers)})
	if err != nil {
		return err
	}
	file := s.file(d)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keep chain of %s: %w", d, err)
	}
	if err := maybe.WriteFile(file, b, 0o644); err != nil {
		return fmt.Errorf("keep chain of %s: %w", d, err)
	}
	return nil
}

// file spreads the entries over folders by platform and the digest's first two
// digits.
func (s store) file(d digest.Digest) string {
	platform := strings.NewReplacer("/", "-", ":", "-").Replace(s.platform.String())
	return filepath.Join(s.dir, platform, d.Algorithm().String(), d.Encoded()[:2], d.Encoded()+".json")
}
