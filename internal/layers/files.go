package layers

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// FileKind says what an entry of a layer is.
type FileKind uint8

// The kinds of entries.
const (
	// Regular is a file, a hard link, a device, and whatever else is neither of these:
	Regular FileKind = iota
	Directory
	Symlink
	// Implied is a directory of which the layer says nothing but that something is in it.
	Implied
	// Removed takes away what lower layers have at a path, and Emptied what they have
	// in a directory.
	Removed
	Emptied
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

// Files are the files of a layer, in the order in which they are unpacked.
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

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	xattr    = "SCHILY.xattr."
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
	l := lister{files: Files{Texts: map[string][]byte{}}, told: map[string]bool{"/": true}}
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

// lister lists the entries of an archive.
type lister struct {
	files Files
	told  map[string]bool // directories that are in the list
}

func (l *lister) add(h *tar.Header, content io.Reader) error {
	if len(l.files.List) >= mostFiles {
		return fmt.Errorf("the layer has more than %d files", mostFiles)
	}
	at := path.Clean("/" + h.Name)
	dir, base := path.Split(at)
	l.imply(path.Clean(dir))
	f := File{Path: at, Mode: uint32(h.Mode & 0o7777), UID: h.Uid, GID: h.Gid}
	switch {
	case base == opaque:
		f.Path, f.Kind = path.Clean(dir), Emptied
	case strings.HasPrefix(base, whiteout):
		f.Path, f.Kind = path.Join(dir, strings.TrimPrefix(base, whiteout)), Removed
	case h.Typeflag == tar.TypeDir:
		f.Kind = Directory
		l.told[at] = true
	case h.Typeflag == tar.TypeSymlink:
		f.Kind = Symlink
	case h.Typeflag == tar.TypeXGlobalHeader:
		return nil
	}
	for name := range h.PAXRecords {
		f.Attributed = f.Attributed || strings.HasPrefix(name, xattr)
	}
	if f.Kind != Directory {
		delete(l.told, f.Path)
	}
	l.files.List = append(l.files.List, f)
	return l.keep(at, h, content)
}

// imply adds the directories on the way to an entry that are not in the list yet.
func (l *lister) imply(dir string) {
	if l.told[dir] {
		return
	}
	l.imply(path.Dir(dir))
	l.told[dir] = true
	l.files.List = append(l.files.List, File{Path: dir, Kind: Implied})
}

// keep keeps the content of what names users and groups.
func (l *lister) keep(at string, h *tar.Header, content io.Reader) error {
	if at != PasswdFile && at != GroupFile {
		return nil
	}
	delete(l.files.Texts, at)
	if h.Typeflag != tar.TypeReg || h.Size > mostText {
		return nil
	}
	text, err := io.ReadAll(content)
	l.files.Texts[at] = text
	return err
}
