package link

import (
	"cmp"
	"fmt"
	"path"
)

// A linked step copies into an empty file system, and what it has made is put upon the base
// image as it is (dispatchCopy in BuildKit's dockerfile2llb, fsutil's copy, v0.34.2):
//
//   - A link of the base image on the way to the destination is not followed: a directory
//     takes its place.
//   - Directories on the way are made with mode 0755 and the owner of what is copied, and
//     then stand in the place of those of the base image.
//   - What is a file goes to the destination itself, where that is not said to be a directory.
//   - Where a directory meets a file the one takes the place of the other, and the plain
//     step fails.
//   - Names of owners are not known.

// The mode of the directories that a copy makes on its way.
const madeMode = 0o755

// Edit is how a step is linked.
type Edit struct {
	Line int
	// Owner takes the place of names; nil where there are none.
	Owner *Owner
}

// Verdict is what was found out of a step.
type Verdict struct {
	Line int
	// Why says why it is not linked; empty where it can be, by Edit.
	Why  string
	Edit Edit
	op   string
}

// Prove tells which copies of a chain can be linked, with what is known of its base image.
// The tree changes as the steps change it.
func (c *Chain) Prove(t *Tree, contents Contents) (verdicts []Verdict) {
	for _, s := range c.Steps {
		v := s.prove(t, contents)
		if s.IsCopy() {
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// prove tells whether a step can be linked, and has the tree be as it leaves it. All that one
// step copies goes to the same place, in the same order with a link and without: what is there
// before is what counts. But names are looked up anew for each thing that is copied.
func (s *Step) prove(t *Tree, contents Contents) Verdict {
	v := Verdict{Line: s.Line, Why: s.Keeps, Edit: Edit{Line: s.Line}, op: s.op}
	var leave []func()
	for _, a := range s.actions {
		owner, named, why := ownerOf(a.chown, t)
		made := entry{may: directory, meta: why == "" && !a.mode, mode: madeMode, owner: owner}
		if a.copy == nil {
			made.mode = a.made
			t.mkdir(a.dest, made, true)
			continue
		}
		if named {
			v.Edit.Owner = &owner
		}
		roots, known := a.copy.roots(contents)
		if why == "" {
			why = a.prove(t, owner, roots, known)
		}
		v.Why = cmp.Or(v.Why, why)
		leave = append(leave, func() { a.leave(t, s.Linked, made, roots, known) })
	}
	for i, done := range leave {
		if v.Edit.Owner != nil && i > 0 {
			owner, _, why := ownerOf(s.actions[i].chown, t)
			if why == "" && owner != *v.Edit.Owner {
				why = "what it copies changes the numbers of its owner's name"
			}
			v.Why = cmp.Or(v.Why, why)
		}
		done()
	}
	return v
}

// Equal tells whether two edits are the same.
func (e Edit) Equal(other Edit) bool {
	return e.Line == other.Line && (e.Owner == nil) == (other.Owner == nil) && (e.Owner == nil || *e.Owner == *other.Owner)
}

// Unknown are the verdicts where nothing is known of the base image.
func (c *Chain) Unknown(why string) (verdicts []Verdict) {
	for _, s := range c.Steps {
		if s.IsCopy() {
			verdicts = append(verdicts, Verdict{Line: s.Line, Why: cmp.Or(s.Keeps, why), Edit: Edit{Line: s.Line}, op: s.op})
		}
	}
	return verdicts
}

// roots are what is copied. An archive that may be unpacked is not known.
func (c *Copied) roots(contents Contents) (roots []Root, known bool) {
	switch {
	case c.partial:
		return nil, false
	case c.Name != "":
		return []Root{{Name: c.Name}}, !c.unpack
	case c.Dir == "" || !c.contents:
		return nil, false
	}
	roots, known = contents(*c)
	for _, r := range roots {
		known = known && (r.Directory || !c.unpack)
	}
	return roots, known
}

// prove returns why a copy cannot be linked; empty where it can be.
func (a *action) prove(t *Tree, owner Owner, roots []Root, known bool) string {
	made := entry{may: directory, meta: true, mode: madeMode, owner: owner}
	for _, dir := range ways(a.dest) {
		e := t.get(dir)
		if e.may == absent {
			break
		}
		if why := e.differs(dir, made); why != "" {
			return why
		}
	}
	if a.copy.Wildcard && len(roots) == 0 {
		return fmt.Sprintf("it is not known whether anything matches %s", a.copy.Path)
	}
	e := t.get(a.dest)
	switch e.solid() {
	case 0:
		return ""
	case file:
		if known && !a.slash && len(roots) == 1 && !roots[0].Directory {
			return ""
		}
		return fmt.Sprintf("%s is a file in the base image, and what is copied may be a directory", a.dest)
	}
	if why := e.differs(a.dest, made); why != "" && a.dest != "/" {
		return why
	}
	switch {
	case !known && !a.slash:
		return fmt.Sprintf("%s is there already, and what is copied may be a file or a directory: end it with a slash if it is to be a directory", a.dest)
	case !known && (a.copy.Dir == "" && !a.copy.contents || !t.isEmpty(a.dest)):
		return fmt.Sprintf("%s has files already, and it is not known what is copied there", a.dest)
	case !known:
		return ""
	}
	for _, r := range roots {
		if why := a.meets(t, r); why != "" {
			return why
		}
	}
	return ""
}

// ways are the directories on the way to a path, from the top.
func ways(p string) (dirs []string) {
	for p = path.Dir(p); p != "/"; p = path.Dir(p) {
		dirs = append([]string{p}, dirs...)
	}
	return dirs
}

// differs is why what stands at a path is not the directory that a linked step makes there.
func (e *entry) differs(at string, made entry) string {
	switch {
	case e.solid() == symlink:
		return fmt.Sprintf("%s is a link in the base image", at)
	case e.solid() == file:
		return fmt.Sprintf("%s is a file in the base image", at)
	case e.solid() != directory:
		return fmt.Sprintf("it is not known what stands at %s", at)
	case !e.meta:
		return fmt.Sprintf("it is not known what the directory %s is like", at)
	case e.attributed:
		return fmt.Sprintf("the directory %s has extended attributes in the base image", at)
	case e.mode != made.mode:
		return fmt.Sprintf("the directory %s has the mode %04o, and linking would make it %04o", at, e.mode, made.mode)
	case e.owner != made.owner:
		return fmt.Sprintf("the directory %s belongs to %s, and linking would give it to %s", at, e.owner, made.owner)
	}
	return ""
}

// meets is why something that is copied into a directory that is there cannot be linked.
func (a *action) meets(t *Tree, r Root) string {
	if !r.Directory {
		if !a.slash {
			return fmt.Sprintf("%s is a directory in the base image, and linking would put a file in its place: end it with a slash", a.dest)
		}
		return t.clash(path.Join(a.dest, r.Name), false)
	}
	for _, b := range r.Below {
		if why := t.clash(path.Join(a.dest, b.Path), b.Directory); why != "" {
			return why
		}
	}
	return ""
}

// clash is why a file or a directory cannot be put at a path: what is there is the other.
func (t *Tree) clash(at string, isDirectory bool) string {
	e := t.get(at)
	fits := file | symlink
	if isDirectory {
		fits = directory
	}
	switch there := e.solid(); {
	case there&^fits == 0 && !(isDirectory && e.attributed && there != 0):
		return ""
	case there&fits != 0:
		return fmt.Sprintf("it is not known what stands at %s", at)
	case isDirectory:
		return fmt.Sprintf("%s is no directory, and one is copied there", at)
	}
	return fmt.Sprintf("%s is a directory, and a file is copied there", at)
}
