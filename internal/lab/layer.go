package lab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// heldLayer is up to how many bytes of made-up content a layer is held in memory rather than made
// again each time that it is read. Its other content is held anyway.
const heldLayer = 1 << 20

// entry is one file, directory or symbolic link of a layer.
type entry struct {
	path string // without a leading slash; a directory ends in one
	link string // the target of a symbolic link
	mode int64  // of a file; 0 stands for 0644
	text []byte // the content of a small file
	size int64  // the bytes of a file with made-up content, when text is nil
}

// layer is an image layer whose bytes follow from its entries and seed alone. It implements
// v1.Layer, and can be read by several at once.
type layer struct {
	entries      []entry
	seed         uint64
	compressible bool

	digest, diffID v1.Hash
	size           int64
	held           []byte // the compressed bytes, where they are held
}

// newLayer makes a layer once to learn its digests.
func newLayer(entries []entry, seed uint64, compressible bool) (*layer, error) {
	l := &layer{entries: entries, seed: seed, compressible: compressible}
	diff, digest := sha256.New(), sha256.New()
	size := &countWriter{}
	out := []io.Writer{digest, size}
	var held bytes.Buffer
	if l.madeUp() <= heldLayer {
		out = append(out, &held)
	}
	if err := l.write(io.MultiWriter(out...), diff); err != nil {
		return nil, err
	}
	l.digest, l.diffID = hashOf(digest), hashOf(diff)
	l.size = size.bytes
	l.held = held.Bytes()
	return l, nil
}

// madeUp is the bytes of all files with made-up content together.
func (l *layer) madeUp() int64 {
	var sum int64
	for _, e := range l.entries {
		if e.text == nil {
			sum += e.size
		}
	}
	return sum
}

func (e *entry) bytes() int64 {
	if e.text != nil {
		return int64(len(e.text))
	}
	return e.size
}

// write writes the layer compressed to out, and uncompressed to plain.
func (l *layer) write(out, plain io.Writer) error {
	// Random bytes do not get smaller: storing them saves the time of trying.
	level := gzip.NoCompression
	if l.compressible {
		level = gzip.BestSpeed
	}
	zip, err := gzip.NewWriterLevel(out, level)
	if err != nil {
		return err
	}
	if err := l.writeTar(io.MultiWriter(zip, plain)); err != nil {
		return err
	}
	return zip.Close()
}

func (l *layer) writeTar(out io.Writer) error {
	archive := tar.NewWriter(out)
	for i := range l.entries {
		e := &l.entries[i]
		if err := archive.WriteHeader(e.header()); err != nil {
			return fmt.Errorf("layer entry %s: %w", e.path, err)
		}
		if _, err := io.Copy(archive, l.reader(i)); err != nil {
			return fmt.Errorf("layer entry %s: %w", e.path, err)
		}
	}
	return archive.Close()
}

func (e *entry) header() *tar.Header {
	h := &tar.Header{Name: e.path, Mode: 0o644, Format: tar.FormatPAX}
	switch {
	case e.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.link, 0o777
	case e.path[len(e.path)-1] == '/':
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
	default:
		h.Typeflag, h.Size = tar.TypeReg, e.bytes()
	}
	if e.mode != 0 {
		h.Mode = e.mode
	}
	return h
}

// reader is the content of entry i.
func (l *layer) reader(i int) io.Reader {
	e := &l.entries[i]
	if e.text != nil {
		return bytes.NewReader(e.text)
	}
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%016x%016x", l.seed, i))
	source := rand.NewChaCha8(seed)
	var content io.Reader = source
	if l.compressible {
		content = textReader{source}
	}
	return io.LimitReader(content, e.size)
}

// textReader turns random bytes into lines of a few letters, which compress to about half.
type textReader struct{ source io.Reader }

// Read implements io.Reader.
func (t textReader) Read(p []byte) (int, error) {
	const letters = "etaoinshrdlu mc\n"
	n, err := t.source.Read(p)
	for i := range p[:n] {
		p[i] = letters[p[i]%16]
	}
	return n, err
}

// Digest implements v1.Layer.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID implements v1.Layer.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size implements v1.Layer.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType implements v1.Layer.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed implements v1.Layer.
func (l *layer) Compressed() (io.ReadCloser, error) {
	if l.held != nil {
		return io.NopCloser(bytes.NewReader(l.held)), nil
	}
	return piped(func(w io.Writer) error { return l.write(w, io.Discard) }), nil
}

// Uncompressed implements v1.Layer.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return piped(l.writeTar), nil }

// piped reads what a function writes. Closing it early ends the function.
func piped(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() { w.CloseWithError(write(w)) }()
	return r
}

func hashOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", h.Sum(nil))}
}

// seedOf derives the seed of one named thing from the seed of all.
func seedOf(seed uint64, name string) uint64 {
	sum := sha256.Sum256([]byte(strconv.FormatUint(seed, 10) + "/" + name))
	var out uint64
	for _, b := range sum[:8] {
		out = out<<8 | uint64(b)
	}
	return out
}

type countWriter struct{ bytes int64 }

// Write implements io.Writer.
func (w *countWriter) Write(p []byte) (int, error) {
	w.bytes += int64(len(p))
	return len(p), nil
}
