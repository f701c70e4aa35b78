package layers

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// FileKind says what an entry of a layer is.
type FileKind uint8

// The kinds of entries.
const (
	Regular FileKind = iota
	Directory
	Symlink
	// Implied is a directory of which the layer says nothing but that something is in it.
	Implied
	// Removed takes away what lower layers have at a path, and Emptied what they have
	// in a directory.
	Removed
	Emptied
	// Unknown is anything or nothing, and so is all below it: what the layer says depends on
	// other layers, or is unpacked in one way by some and in another way by others.
	Unknown
)

// File is what a layer says of one path.
type File struct {
	Path string // absolute and clean
	Kind FileKind
	Mode uint32 // the permissions, with setuid, setgid and sticky
	UID  int
	GID  int
	// Attributed tells that it has extended attributes.
	Attributed bool
}

// Files are the files of a layer, in the order in which they are unpacked. What is removed
// or emptied is what lower layers have, wherever that stands in the list.
type Files struct {
	List []File
	// Texts are the contents of those that name users and groups, by their paths.
	Texts map[string][]byte
}

// The files that name users and groups.
const (
	PasswdFile = "/etc/passwd"
	GroupFile  = "/etc/group"
)

const (
	// How large a file may be whose content is kept.
	mostText = 1 << 20
	// How many files a layer may have of which these are told.
	mostFiles = 2_000_000
)

// ReadFiles reads which files a layer has: a tar archive, as it is or compressed with
// gzip or zstd. It reads to the end.
func ReadFiles(r io.Reader) (Files, error) {
	plain, err := decompress(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return Files{}, err
	}
	defer plain.Close()
	archive := tar.NewReader(plain)
	l := newLister()
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Files{}, err
		}
		if err := l.add(header, archive); err != nil {
			return Files{}, err
		}
	}
	// What follows the archive's end counts for the digest.
	_, err = io.Copy(io.Discard, plain)
	return l.files, err
}

// ReadPlain reads the beginning of a layer, which may be compressed with gzip or zstd, as it is
// when it is not: as far as most bytes.
func ReadPlain(r io.Reader, most int64) ([]byte, error) {
	plain, err := decompress(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	return io.ReadAll(io.LimitReader(plain, most))
}

// decompress tells by its first bytes how a layer is compressed.
func decompress(r *bufio.Reader) (io.ReadCloser, error) {
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch text := string(magic); {
	case strings.HasPrefix(text, "\x1f\x8b"):
		return gzip.NewReader(r)
	case text == "\x28\xb5\x2f\xfd":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}
