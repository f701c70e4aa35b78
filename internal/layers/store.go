package layers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	"github.com/google/renameio/v2/maybe"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Store keeps chains on disk by digest and platform. What a digest stands for
// never changes, so entries are never stale. It may be used by several
// goroutines and processes: files appear by renaming.
type Store struct {
	Dir string // empty: nothing is kept
}

// stored is the content of one file. Sum repeats the layers, so that a damaged
// list is noticed.
type stored struct {
	Digest   digest.Digest `json:"digest"`
	Manifest digest.Digest `json:"manifest"`
	Layers   []Layer       `json:"layers"`
	Sum      digest.Digest `json:"sum"`
}

// Get returns the chain of an index's or a manifest's digest, without Ref. A file
// that cannot be read or makes no sense is as good as none; the next Put replaces it.
func (s Store) Get(d digest.Digest, p ocispecs.Platform) (Chain, bool) {
	if s.Dir == "" || d.Validate() != nil {
		return Chain{}, false
	}
	b, err := os.ReadFile(s.file(d, p))
	if err != nil {
		return Chain{}, false
	}
	var f stored
	if json.Unmarshal(b, &f) != nil || f.Digest != d {
		return Chain{}, false
	}
	return Chain{Digest: f.Digest, Manifest: f.Manifest, Layers: f.Layers}, sum(f.Layers) == f.Sum
}

func sum(list []Layer) digest.Digest { return digest.FromString(fmt.Sprint(list)) }

// Put keeps a chain under its own digest and under its manifest's, because both can
// stand in a record's name.
func (s Store) Put(c Chain, p ocispecs.Platform) error {
	if s.Dir == "" {
		return nil
	}
	if err := s.write(c.Digest, p, c); err != nil || c.Digest == c.Manifest {
		return err
	}
	return s.write(c.Manifest, p, c)
}

func (s Store) write(d digest.Digest, p ocispecs.Platform, c Chain) error {
	b, err := json.Marshal(stored{Digest: d, Manifest: c.Manifest, Layers: c.Layers, Sum: sum(c.Layers)})
	if err != nil {
		return err
	}
	file := s.file(d, p)
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
func (s Store) file(d digest.Digest, p ocispecs.Platform) string {
	platform := strings.ReplaceAll(platforms.FormatAll(p), "/", "-")
	return filepath.Join(s.Dir, platform, d.Algorithm().String(), d.Encoded()[:2], d.Encoded()+".json")
}
