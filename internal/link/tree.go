package link

import (
	"path"
	"strings"

	"github.com/stoker-build/stoker/internal/layers"
)

// Tree is what is known of a file system: what may stand at paths. What is in none of the
// layers is not there.
type Tree struct {
	at map[string]*entry
	// unknown are paths below which nothing is known.
	unknown map[string]bool
}

// kinds are all that may stand at a path.
type kinds uint8

const (
	absent kinds = 1 << iota
	directory
	file
	symlink

	anything = absent | directory | file | symlink
)

// entry is what may stand at a path. Its mode and owner are those of the directory that may
// stand there, and count only where they are known.
type entry struct {
	may        kinds
	meta       bool // mode and owner are known
	mode       uint32
	owner      Owner
	attributed bool   // it may have extended attributes
	text       []byte // nil where it is not known
}

func (e *entry) has(k kinds) bool { return e.may&k != 0 }

// solid is what may stand there if anything does.
func (e *entry) solid() kinds { return e.may &^ absent }

// NewTree returns an empty file system.
func NewTree() *Tree { return &Tree{at: map[string]*entry{}, unknown: map[string]bool{}} }

// Add puts a layer on top. What that removes is what lower layers have.
func (t *Tree) Add(l layers.Files) {
	for _, f := range l.List {
		switch f.Kind {
		case layers.Removed:
			t.remove(f.Path)
		case layers.Emptied:
			t.empty(f.Path)
		}
	}
	for _, f := range l.List {
		switch f.Kind {
		case layers.Removed, layers.Emptied:
		case layers.Implied:
			t.imply(f.Path)
		case layers.Directory:
			t.makeDirectory(f.Path, entry{may: directory, meta: true, mode: f.Mode, owner: Owner{f.UID, f.GID}, attributed: f.Attributed})
		case layers.Symlink:
			t.put(f.Path, entry{may: symlink})
		case layers.Regular:
			t.put(f.Path, entry{may: file, text: l.Texts[f.Path]})
		default:
			t.forget(f.Path)
		}
	}
}

// imply notes a directory of which a layer says nothing: what is unpacked into it goes
// where a link leads that stands there.
func (t *Tree) imply(p string) {
	switch e := t.get(p); {
	case e.has(symlink | file):
		t.forget("/")
	case e.may == absent:
		t.at[p] = &entry{may: directory}
	}
}

// makeDirectory has a directory stand at a path, with what is in it already. Extended
// attributes may stay.
func (t *Tree) makeDirectory(p string, e entry) {
	before := t.get(p)
	switch {
	case !before.has(directory):
		t.remove(p)
	case before.may != directory:
		t.doubt(p)
	}
	e.attributed = e.attributed || before.has(directory) && before.attributed
	t.at[p] = &e
}

// put has something stand at a path in place of all that stood there.
func (t *Tree) put(p string, e entry) {
	t.remove(p)
	t.at[p] = &e
}

// maybe has something stand at a path, or not: then that is there which was.
func (t *Tree) maybe(p string, k kinds, attributed bool) {
	e := t.get(p)
	if k == directory {
		e.meta, e.attributed = false, e.has(directory) && e.attributed || attributed
	} else if e.has(directory) {
		t.doubt(p)
	}
	e.may, e.text = e.may|k, nil
	t.at[p] = &e
}

// doubt notes that what is in a directory may not be there any more.
func (t *Tree) doubt(p string) {
	for below := range t.below(p) {
		t.at[below].may |= absent
	}
}

// forget notes that nothing is known of a path, nor of what is below it.
func (t *Tree) forget(p string) {
	t.unknown[p] = true
	if p != "/" {
		t.at[p] = &entry{may: anything, attributed: true}
	}
}

func (t *Tree) remove(p string) {
	t.empty(p)
	delete(t.at, p)
}

// empty removes all that is in a directory.
func (t *Tree) empty(p string) {
	if e := t.get(p); !e.has(directory) {
		return // there is nothing, and looking takes long
	}
	for below := range t.below(p) {
		delete(t.at, below)
	}
}

// get returns what may stand at a path.
func (t *Tree) get(p string) entry {
	if p == "/" {
		return entry{may: directory}
	}
	if len(t.unknown) > 0 {
		for at := path.Dir(p); ; at = path.Dir(at) {
			if t.unknown[at] {
				return entry{may: anything, attributed: true}
			}
			if at == "/" {
				break
			}
		}
	}
	if e := t.at[p]; e != nil {
		return *e
	}
	return entry{may: absent}
}

// followed tells whether a link may stand at a path or on the way to it: what is put there
// goes elsewhere.
func (t *Tree) followed(p string) bool {
	for ; p != "/"; p = path.Dir(p) {
		if e := t.get(p); e.has(symlink) {
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
		if ways[f.Path] || f.Kind == layers.Symlink || f.Kind == layers.Implied || f.Kind == layers.Unknown || w.isBelow(f.Path) {
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
