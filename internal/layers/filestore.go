package layers

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"
	digest "github.com/opencontainers/go-digest"
)

// FileStore keeps on disk which files layers have, by the digests of the compressed layers.
// It may be used by several goroutines and processes: its files appear by renaming.
type FileStore struct {
	Dir string // empty: nothing is kept
}

// Get returns the files of a layer. What cannot be read or makes no sense is as good as
// nothing; the next Put replaces it.
func (s FileStore) Get(d digest.Digest) (files Files, ok bool) {
	if s.Dir == "" || d.Validate() != nil {
		return Files{}, false
	}
	f, err := os.Open(s.file(d))
	if err != nil {
		return Files{}, false
	}
	defer f.Close()
	zip, err := gzip.NewReader(f) // with a sum, so that damage is noticed
	if err != nil {
		return Files{}, false
	}
	var kept keptFiles
	if gob.NewDecoder(bufio.NewReader(zip)).Decode(&kept) != nil || kept.Digest != d || kept.Format != filesFormat {
		return Files{}, false
	}
	_, err = io.Copy(io.Discard, zip) // the sum comes last
	return kept.Files, err == nil
}

// filesFormat changes with what is said of layers: what was kept under another is not believed.
const filesFormat = 2

// keptFiles is the content of one file.
type keptFiles struct {
	Digest digest.Digest
	Format int
	Files  Files
}

// Put keeps the files of a layer.
func (s FileStore) Put(d digest.Digest, files Files) error {
	if s.Dir == "" || d.Validate() != nil {
		return nil
	}
	var b bytes.Buffer
	zip, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := gob.NewEncoder(zip).Encode(keptFiles{d, filesFormat, files}); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	file := s.file(d)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keep the files of %s: %w", d, err)
	}
	if err := maybe.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("keep the files of %s: %w", d, err)
	}
	return nil
}

func (s FileStore) file(d digest.Digest) string {
	return filepath.Join(s.Dir, d.Algorithm().String(), d.Encoded()[:2], d.Encoded()+".gob.gz")
}
