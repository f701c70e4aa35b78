package link

import (
	"archive/tar"
	"cmp"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
)

// node is a file, and fsys a file system, by paths: what containerd and BuildKit do with one,
// simple and whole. It is what the proof is held against.
type node struct {
	kind   byte // of tar, or gone
	mode   int64
	uid    int
	target string
	text   string
	attrs  uint8
	opaque bool
}

type fsys map[string]node

const gone = 'w' // in a layer that is overlaid: what lower layers have is not seen

var errModel = errors.New("it fails")

func under(p, dir string) bool { return dir == "/" && p != "/" || strings.HasPrefix(p, dir+"/") }

func (f fsys) isDir(p string) bool { return p == "/" || f[p].kind == tar.TypeDir }

func (f fsys) has(p string) bool { _, is := f[p]; return is || p == "/" }

func (f fsys) remove(p string) {
	f.empty(p, nil)
	delete(f, p)
}

func (f fsys) empty(dir string, but map[string]bool) {
	for _, p := range slices.Sorted(maps.Keys(f)) {
		if f.has(p) && under(p, dir) && !but[p] {
			maps.DeleteFunc(f, func(at string, _ node) bool { return at == p || under(at, p) })
		}
	}
}

// follow is where a path leads, all links followed.
func (f fsys) follow(p string) (string, error) {
	at, rest := "/", strings.Split(strings.Trim(p, "/"), "/")
	for steps := 0; len(rest) > 0; steps++ {
		if steps > 50 {
			return "", errModel
		}
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if n := f[next]; n.kind == tar.TypeSymlink {
			if !path.IsAbs(n.target) {
				next = path.Join(at, n.target)
			} else {
				next = path.Clean(n.target)
			}
			rest = append(strings.Split(strings.Trim(next, "/"), "/"), rest...)
			next = "/"
		}
		at = next
	}
	return at, nil
}

// mkdirAll makes a directory that is reached through no link, and what is missing on the way.
func (f fsys) mkdirAll(p string, like func(p string) node) error {
	switch {
	case f.isDir(p):
		return nil
	case f.has(p):
		return errModel
	}
	if err := f.mkdirAll(path.Dir(p), like); err != nil {
		return err
	}
	f[p] = like(p)
	return nil
}

// unpack unpacks a layer upon all below it, or by itself, and then lays it over those.
func (f fsys) unpack(layer []tar.Header, overlaid bool) error {
	into, opaques, unpacked := f, map[string]bool{}, map[string]bool{}
	like := func(string) node { return node{kind: tar.TypeDir, mode: 0o755} }
	if overlaid {
		into = fsys{}
		like = func(p string) node {
			if at, err := f.follow(p); err == nil && f[at].kind == tar.TypeDir {
				n := f[at]
				n.opaque = false
				return n
			}
			return node{kind: tar.TypeDir, mode: 0o755}
		}
	}
	for _, h := range layer {
		dir, base := path.Split(path.Clean("/" + h.Name))
		dir, err := into.follow(dir)
		if err != nil {
			return err
		}
		at := path.Join(dir, base)
		if at == "/" {
			continue
		}
		if err := into.mkdirAll(dir, like); err != nil {
			return err
		}
		switch name, is := strings.CutPrefix(base, ".wh."); {
		case base == ".wh..wh..opq" && overlaid:
			if n := into[dir]; dir != "/" {
				n.opaque = true
				into[dir] = n
			}
			continue
		case base == ".wh..wh..opq":
			if !opaques[dir] {
				opaques[dir] = true
				into.empty(dir, unpacked)
			}
			continue
		case is && overlaid && into.has(path.Join(dir, name)):
			return errModel
		case is && overlaid:
			into[path.Join(dir, name)] = node{kind: gone}
			continue
		case is:
			into.remove(path.Join(dir, name))
			continue
		}
		if into.has(at) && !(into.isDir(at) && h.Typeflag == tar.TypeDir) {
			into.remove(at)
		}
		if err := into.create(at, h, overlaid); err != nil {
			return err
		}
		unpacked[at] = true
	}
	if overlaid {
		f.overlay(into)
	}
	return nil
}

func (f fsys) create(at string, h tar.Header, overlaid bool) error {
	n := node{kind: h.Typeflag, mode: h.Mode, uid: h.Uid, target: h.Linkname, text: h.Uname}
	switch h.Typeflag {
	case tar.TypeDir:
		n.attrs, n.opaque = f[at].attrs, f[at].opaque
		if len(h.PAXRecords) > 0 {
			n.attrs |= 1
		}
	case tar.TypeLink:
		dir, base := path.Split(h.Linkname)
		dir, err := f.follow(dir)
		to := path.Join(dir, base)
		if err != nil || !f.has(to) || f.isDir(to) {
			return errModel
		}
		n = f[to]
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeChar:
		if overlaid {
			n = node{kind: gone}
		}
	}
	f[at] = n
	return nil
}

// overlay lays another file system over one.
func (f fsys) overlay(upper fsys) {
	for _, p := range slices.Sorted(maps.Keys(upper)) {
		n := upper[p]
		if n.kind != tar.TypeDir || n.opaque || !f.isDir(p) {
			f.remove(p)
		}
		if n.kind != gone {
			f[p] = n
		}
	}
}

// source is what is copied: a file, or a directory with what is in it, some of it left out.
type source struct {
	name    string
	root    node
	in      map[string]node
	leftOut []string
}

// copies copies as fsutil does.
func (f fsys) copies(sources []source, dest string, slash bool, uid int) error {
	if len(sources) == 0 {
		return nil
	}
	made := func(string) node { return node{kind: tar.TypeDir, mode: 0o755, uid: uid} }
	first := dest
	if !slash {
		first = path.Dir(dest)
	}
	first, err := f.follow(first)
	if err != nil {
		return err
	}
	if err := f.mkdirAll(first, made); err != nil {
		return err
	}
	to, err := f.follow(dest)
	if err != nil {
		return err
	}
	for _, s := range sources {
		at, parent := to, path.Dir(to)
		if s.root.kind != tar.TypeDir && f.isDir(to) {
			at, parent = path.Join(to, s.name), to
		} else if s.root.kind == tar.TypeDir && !f.has(to) {
			parent = to
		}
		if err := cmp.Or(f.mkdirAll(parent, made), f.copyOne(s.root, at, uid, false)); err != nil {
			return err
		}
		for _, below := range slices.Sorted(maps.Keys(s.in)) {
			if slices.ContainsFunc(s.leftOut, func(out string) bool { return below == out || under(below, out) }) {
				continue
			}
			if err := f.copyOne(s.in[below], path.Join(at, below), uid, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f fsys) copyOne(n node, at string, uid int, anew bool) error {
	n.uid = cmp.Or(uid, n.uid)
	switch {
	case f.isDir(at) != (n.kind == tar.TypeDir) && f.has(at):
		return errModel
	case f.has(at) && n.kind == tar.TypeDir && !anew:
		return nil
	case n.kind == tar.TypeDir:
		n.attrs |= f[at].attrs
	}
	f[at] = n
	return nil
}
