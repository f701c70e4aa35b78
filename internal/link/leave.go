package link

import "path"

// mkdir makes a directory and those on the way to it that are not there; or it may, where that
// is not certain.
func (t *Tree) mkdir(p string, made entry, certain bool) {
	switch {
	case p == "/":
		return
	case t.followed(p):
		t.forget("/")
		return
	}
	t.mkdir(path.Dir(p), made, certain)
	e := t.get(p)
	if !e.has(absent) {
		return
	}
	if e.has(directory) {
		e.meta = e.meta && made.meta && e.mode == made.mode && e.owner == made.owner
		e.may |= made.may
	} else {
		made.may |= e.may
		e = made
	}
	if certain {
		e.may &^= absent
	}
	t.at[p] = &e
}

// leave notes what a copy leaves. made is what the directories are like that it makes. What a
// pattern names may all be left out; then nothing is made.
func (a *action) leave(t *Tree, linked bool, made entry, roots []Root, known bool) {
	certain := !a.copy.Wildcard
	if linked {
		for _, dir := range ways(a.dest) {
			t.replace(dir, made, certain)
		}
	}
	t.mkdir(path.Dir(a.dest), made, certain)
	if t.followed(a.dest) {
		t.forget("/")
	}
	before := t.get(a.dest)
	for _, r := range roots {
		known = known && (r.Directory || a.slash || !before.has(directory) || linked)
	}
	if !known {
		a.leaveUnknown(t, linked, before, certain)
		return
	}
	for _, r := range roots {
		if r.Directory || a.slash {
			if linked {
				t.replace(a.dest, made, certain)
			}
			t.mkdir(a.dest, made, certain)
		}
		switch {
		case r.Directory:
			for _, b := range r.Below {
				t.leave(path.Join(a.dest, b.Path), b)
			}
		case a.slash:
			t.putFile(path.Join(a.dest, r.Name), certain)
		default:
			t.putFile(a.dest, certain)
		}
	}
}

// leaveUnknown notes that anything was copied to the destination. Where a directory stood that
// stays as it is, but for what is in it.
func (a *action) leaveUnknown(t *Tree, linked bool, before entry, certain bool) {
	t.unknown[a.dest] = true
	if a.dest == "/" || before.may == directory && !linked {
		return
	}
	e := entry{may: before.may | directory, attributed: true}
	if !a.slash {
		e.may |= file
	}
	if !a.copy.contents {
		e.may |= symlink
	}
	if certain {
		e.may &^= absent
	}
	t.at[a.dest] = &e
}

// replace has a directory stand in place of what is there, as a linked step does; or it may.
func (t *Tree) replace(p string, made entry, certain bool) {
	switch {
	case p == "/":
	case certain:
		t.makeDirectory(p, made)
	default:
		t.maybe(p, directory, false)
	}
}

func (t *Tree) putFile(p string, certain bool) {
	if certain {
		t.put(p, entry{may: file})
	} else {
		t.maybe(p, file, false)
	}
}

// leave notes what was copied to a path. It may not have been, where it was left out.
func (t *Tree) leave(at string, b Below) {
	switch {
	case b.Directory:
		t.maybe(at, directory, b.Attributed)
	case b.Symlink:
		t.maybe(at, symlink, false)
	default:
		t.maybe(at, file, false)
	}
}
