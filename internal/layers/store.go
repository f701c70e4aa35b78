package layers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Store keeps chains and configs on disk by digest and platform. What a digest stands for
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
	if err := replace(s.file(d, p), b); err != nil {
		return fmt.Errorf("keep chain of %s: %w", d, err)
	}
	return nil
}

// storedConfig is the content of one file with a config.
type storedConfig struct {
	Config []byte        `json:"config"`
	Sum    digest.Digest `json:"sum"`
}

// GetConfig returns the config of an image by the digest of its index or manifest.
func (s Store) GetConfig(d digest.Digest, p ocispecs.Platform) ([]byte, bool) {
	if s.Dir == "" || d.Validate() != nil {
		return nil, false
	}
	b, err := os.ReadFile(s.configFile(d, p))
	if err != nil {
		return nil, false
	}
	var f storedConfig
	if json.Unmarshal(b, &f) != nil {
		return nil, false
	}
	return f.Config, configSum(d, f.Config) == f.Sum
}

// configSum is by the image, too, so that no file is taken for another's.
func configSum(d digest.Digest, config []byte) digest.Digest {
	return digest.FromString(d.String() + "\n" + string(config))
}

// PutConfig keeps the config of an image.
func (s Store) PutConfig(d digest.Digest, p ocispecs.Platform, config []byte) error {
	if s.Dir == "" {
		return nil
	}
	b, err := json.Marshal(storedConfig{Config: config, Sum: configSum(d, config)})
	if err == nil {
		err = replace(s.configFile(d, p), b)
	}
	if err != nil {
		return fmt.Errorf("keep config of %s: %w", d, err)
	}
	return nil
}

func (s Store) configFile(d digest.Digest, p ocispecs.Platform) string {
	return strings.TrimSuffix(s.file(d, p), ".json") + ".config.json"
}

// replace writes a file by renaming. It does not wait for the disk: what a crash leaves
// damaged does not fit its sum.
func replace(path string, content []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// file spreads the entries over folders by platform and the digest's first two
// digits.
func (s Store) file(d digest.Digest, p ocispecs.Platform) string {
	platform := strings.ReplaceAll(platforms.FormatAll(p), "/", "-")
	return filepath.Join(s.Dir, platform, d.Algorithm().String(), d.Encoded()[:2], d.Encoded()+".json")
}
