package layers

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	xattr    = "SCHILY.xattr."
	// How long a path may be: longer ones are not unpacked on Linux.
	longest = 4096
)

// lister lists the entries of an archive. It says what containerd unpacks (its package
// archive, v2.4.2), which it does in two ways: where layers are overlaid, a layer is unpacked
// by itself, and what it removes becomes marks that stand where files do; else it is unpacked
// upon the lower ones. Where these leave something different, the path is unknown.
type lister struct {
	files Files
	// put is what the layer has put at a path last.
	put map[string]FileKind
	// holds are the directories in which an implied one is, however deep.
	holds map[string]bool
	lost  bool // nothing is known at all
}

func newLister() *lister {
	return &lister{files: Files{Texts: map[string][]byte{}}, put: map[string]FileKind{"/": Directory}, holds: map[string]bool{}}
}

func (l *lister) add(h *tar.Header, content io.Reader) error {
	if len(l.files.List) >= mostFiles {
		return fmt.Errorf("the layer has more than %d files", mostFiles)
	}
	at := path.Clean("/" + h.Name)
	switch {
	case at == "/":
		return nil // what is said of the root is not heeded
	case len(at) > longest:
		return fmt.Errorf("the layer has a path of %d characters", len(at))
	}
	dir, base := path.Split(at)
	dir = path.Clean(dir)
	l.imply(dir)
	if base == opaque {
		l.empty(dir)
		return nil
	}
	f := File{Path: at, Kind: l.kindOf(h), Mode: uint32(h.Mode & 0o7777), UID: h.Uid, GID: h.Gid}
	if name, is := strings.CutPrefix(base, whiteout); is {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("%q removes nothing that has a name", h.Name)
		}
		f = File{Path: path.Join(dir, name), Kind: Removed}
	}
	for name := range h.PAXRecords {
		f.Attributed = f.Attributed || strings.HasPrefix(name, xattr)
	}
	l.list(f)
	return l.keep(at, h, content)
}

// kindOf is what an entry puts at its path. Of devices it is not known: one of them is how
// overlaid layers have what is removed.
func (l *lister) kindOf(h *tar.Header) FileKind {
	switch h.Typeflag {
	case tar.TypeReg:
		return Regular
	case tar.TypeDir:
		return Directory
	case tar.TypeSymlink:
		return Symlink
	case tar.TypeLink:
		return l.linked(h.Linkname)
	}
	return Unknown
}

// linked is what a hard link is: what it leads to, a symbolic link, too. That is known where
// the layer itself has it.
func (l *lister) linked(name string) FileKind {
	to := "/" + strings.TrimPrefix(strings.TrimPrefix(name, "./"), "/")
	if path.Clean(to) != to {
		return Unknown
	}
	for dir := path.Dir(to); dir != "/"; dir = path.Dir(dir) {
		if kind, is := l.put[dir]; !is || kind != Directory && kind != Implied {
			return Unknown
		}
	}
	if kind, is := l.put[to]; is && (kind == Regular || kind == Symlink) {
		return kind
	}
	return Unknown
}

// list adds an entry. Where the layer has had something else at its path, it is not known
// whether what lower layers have there is seen.
func (l *lister) list(f File) {
	before, is := l.put[f.Path]
	l.put[f.Path] = f.Kind
	l.files.List = append(l.files.List, f)
	if is && classOf(before) != classOf(f.Kind) {
		l.forget(f.Path)
	}
}

// classOf is the same for kinds of which one can take the other's place within a layer.
func classOf(k FileKind) FileKind {
	switch k {
	case Symlink:
		return Regular
	case Implied:
		return Directory
	}
	return k
}

// forget notes that nothing is known of a path.
func (l *lister) forget(p string) {
	if l.lost {
		return
	}
	l.lost = p == "/"
	l.files.List = append(l.files.List, File{Path: p, Kind: Unknown})
}

// imply adds the directories on the way to an entry that are not in the list yet. An entry
// may go anywhere where something else is on its way.
func (l *lister) imply(dir string) {
	if dir == "/" {
		return
	}
	l.imply(path.Dir(dir))
	switch kind, is := l.put[dir]; {
	case is && classOf(kind) == Directory:
		return
	case is && kind != Removed:
		l.forget("/")
		return
	}
	l.list(File{Path: dir, Kind: Implied})
	for above := path.Dir(dir); !l.holds[above]; above = path.Dir(above) {
		l.holds[above] = true
	}
}

// empty notes that what lower layers have in a directory is not seen. Some take implied
// directories that the layer has had in it for theirs, and some do not heed the root's marker.
func (l *lister) empty(dir string) {
	l.files.List = append(l.files.List, File{Path: dir, Kind: Emptied})
	if l.holds[dir] || dir == "/" {
		l.forget(dir)
	}
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
