package link

import (
	"path"
	"strings"

	"github.com/stoker-build/stoker/internal/layers"
)

// Tree is what is known of a file system: of some paths, and of the links. What is in none
// of the layers is not there.
type Tree struct {
	at map[string]*entry
	// unknown are paths of which, and of all below, nothing is known.
	unknown map[string]bool
}

type kind uint8

const (
	absent kind = iota
	directory
	file
	symlink
	unknown
)

// entry is what stands at a path. Its mode and owner count only where they are known.
type entry struct {
	kind       kind
	meta       bool // mode and owner are known
	mode       uint32
	owner      Owner
	attributed bool   // it has extended attributes
	text       []byte // nil where it is not known
}

// NewTree returns an empty file system.
func NewTree() *Tree { return &Tree{at: map[string]*entry{}, unknown: map[string]bool{}} }

// Add puts a layer on top.
func (t *Tree) Add(l layers.Files) {
	for _, f := range l.List {
		switch f.Kind {
		case layers.Removed:
			t.remove(f.Path)
		case layers.Emptied:
			t.empty(f.Path)
		case layers.Implied:
			t.imply(f.Path)
		case layers.Directory:
			t.makeDirectory(f.Path, &entry{kind: directory, meta: true, mode: f.Mode, owner: Owner{f.UID, f.GID}, attributed: f.Attributed})
		case layers.Symlink:
			t.put(f.Path, &entry{kind: symlink})
		default:
			t.put(f.Path, &entry{kind: file, text: l.Texts[f.Path]})
		}
	}
}

// imply notes a directory of which a layer says nothing: what is unpacked into it goes
// where a link leads that stands there.
func (t *Tree) imply(p string) {
	switch t.get(p).kind {
	case absent:
		t.at[p] = &entry{kind: directory}
	case symlink, file:
		t.unknown["/"] = true
	}
}

// makeDirectory has a directory stand at a path, with what is in it already.
func (t *Tree) makeDirectory(p string, e *entry) {
	if t.get(p).kind == directory {
		t.at[p] = e
		return
	}
	t.put(p, e)
}

// put has something stand at a path in place of all that stood there.
func (t *Tree) put(p string, e *entry) {
	t.remove(p)
	t.at[p] = e
}

func (t *Tree) remove(p string) {
	if t.get(p).kind == directory {
		t.empty(p)
	}
	delete(t.at, p)
}

// empty removes all that is in a directory.
func (t *Tree) empty(p string) {
	for below := range t.below(p) {
		delete(t.at, below)
	}
}

// get returns what stands at a path.
func (t *Tree) get(p string) entry {
	if len(t.unknown) > 0 {
		for at := p; ; at = path.Dir(at) {
			if t.unknown[at] {
				return entry{kind: unknown}
			}
			if at == "/" {
				break
			}
		}
	}
	if e := t.at[p]; e != nil {
		return *e
	}
	if p == "/" {
		return entry{kind: directory}
	}
	return entry{}
}

// followed tells whether a link stands at a path or on the way to it: what is put there
// goes elsewhere.
func (t *Tree) followed(p string) bool {
	for ; p != "/"; p = path.Dir(p) {
		if t.get(p).kind == symlink {
			return true
		}
	}
	return false
}

// below are the paths in a directory, and in those in it.
func (t *Tree) below(p string) func(yield func(string) bool) {
	prefix := strings.TrimSuffix(p, "/") + "/"
	return func(yield func(string) bool) {
		for at := range t.at {
			if len(at) > len(prefix) && strings.HasPrefix(at, prefix) && !yield(at) {
				return
			}
		}
	}
}

// isEmpty tells whether it is known that nothing is in a directory.
func (t *Tree) isEmpty(p string) bool {
	for range t.below(p) {
		return false
	}
	prefix := strings.TrimSuffix(p, "/") + "/"
	for at := range t.unknown {
		if at == p || strings.HasPrefix(at, prefix) {
			return false
		}
	}
	return true
}

// Watch is some paths of which a tree is to know.
type Watch struct{ paths map[string]bool }

// NewWatch watches what names users and groups.
func NewWatch() *Watch {
	w := &Watch{paths: map[string]bool{}}
	w.Add(layers.PasswdFile)
	w.Add(layers.GroupFile)
	return w
}

// Add adds a path.
func (w *Watch) Add(p string) { w.paths[p] = true }

// Of returns the files of a layer that have to do with what is watched: the directories on
// the way to it, and what is in it. Links may stand on any way.
func (w *Watch) Of(l layers.Files) layers.Files {
	ways := map[string]bool{"/": true}
	for p := range w.paths {
		for ; !ways[p]; p = path.Dir(p) {
			ways[p] = true
		}
	}
	out := layers.Files{Texts: l.Texts}
	for _, f := range l.List {
		if ways[f.Path] || f.Kind == layers.Symlink || f.Kind == layers.Implied || w.isBelow(f.Path) {
			out.List = append(out.List, f)
		}
	}
	return out
}

// isBelow tells whether a path is in a watched directory.
func (w *Watch) isBelow(p string) bool {
	for p != "/" {
		p = path.Dir(p)
		if w.paths[p] {
			return true
		}
	}
	return false
}
