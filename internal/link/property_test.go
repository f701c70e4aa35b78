package link

import (
	"archive/tar"
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"
	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/layers"
)

// Whatever layers say and whatever is left out of what is copied: where the proof links steps,
// the image is the same.
func TestLinkedIsTheSame(t *testing.T) {
	linked := 0
	if err := flag.Set("rapid.checks", "10000"); err != nil { // what goes wrong does so rarely
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		tars := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(w.drawEntry), 1, 5), 1, 3).Draw(t, "layers")
		w.meet(tars)
		steps := rapid.SliceOfN(rapid.Custom(w.drawStep), 1, 4).Draw(t, "steps")
		if w.named {
			tars[0] = append([]tar.Header{{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, {Typeflag: tar.TypeReg, Name: "etc/passwd", Uname: user5, Size: int64(len(user5))}}, tars[0]...)
		}
		n, differs := sameLinked(tars, steps)
		if linked += n; differs != "" {
			t.Fatal(differs)
		}
	})
	if linked == 0 {
		t.Error("no step was ever linked")
	}
}

// sameLinked proves steps on layers, and tells how many are linked and how the image differs then.
func sameLinked(tars [][]tar.Header, steps []tried) (linked int, differs string) {
	var c Chain
	told := map[string][]Root{}
	for i, s := range steps {
		c.Steps = append(c.Steps, s.step(i+1, told))
	}
	tree, watch := NewTree(), NewWatch()
	c.Watch(watch)
	for _, layer := range tars {
		files, err := layers.ReadFiles(bytes.NewReader(archived(layer)))
		if err != nil {
			return 0, ""
		}
		tree.Add(watch.Of(files))
	}
	edits := map[int]Edit{}
	for _, v := range c.Prove(tree, func(c Copied) ([]Root, bool) { return told[c.Path], c.Dir == "/known" }) {
		if v.Why == "" {
			edits[v.Line] = v.Edit
			linked++
		}
	}
	for _, overlaid := range []bool{true, false} {
		base := fsys{}
		for _, layer := range tars {
			if base.unpack(layer, overlaid) != nil {
				base = nil
				break
			}
		}
		if base == nil {
			continue // there is no such image
		}
		plain, failed := build(base, steps, nil)
		got, linkedFailed := build(base, steps, edits)
		if (failed == nil) != (linkedFailed == nil) || failed == nil && !maps.Equal(plain, got) {
			return linked, fmt.Sprintf("overlaid %t, linked are %v\nplain  %v %v\nlinked %v %v\non %v", overlaid, edits, failed, plain, linkedFailed, got, base)
		}
	}
	return linked, ""
}

// The same user with two numbers.
const user5, user6 = "me:x:5:5::/:\n", "me:x:6:6::/:\n"

var (
	modes = rapid.SampledFrom([]int64{0o755, 0o755, 0o755, 0o755, 0o755, 0o700})
	uids  = rapid.SampledFrom([]int{0, 0, 0, 0, 0, 5})
	texts = rapid.SampledFrom([]string{user5, user6})
)

// world is what happens at all in one try: so things of few kinds meet more often.
type world struct {
	odd, named, attributed, unknown, globs bool
	names, paths                           *rapid.Generator[string]
}

func drawWorld(t *rapid.T) world {
	w := world{odd: rapid.Bool().Draw(t, "odd"), attributed: rapid.Bool().Draw(t, "attributed"), unknown: rapid.Bool().Draw(t, "unknown"), globs: rapid.Bool().Draw(t, "globs"),
		named: rapid.IntRange(0, 3).Draw(t, "named") == 0, names: rapid.SampledFrom([]string{"a", "a", "b"})}
	if w.named {
		w.names = rapid.SampledFrom([]string{"a", "etc", "passwd"})
	}
	shallow, deep := rapid.SliceOfN(w.names, 1, 2), rapid.SliceOfN(w.names, 2, 3)
	w.paths = rapid.Map(rapid.OneOf(shallow, shallow, shallow, deep), func(s []string) string { return "/" + strings.Join(s, "/") })
	if w.named {
		w.paths = rapid.OneOf(w.paths, rapid.SampledFrom([]string{"/etc", "/etc/passwd"}))
	}
	return w
}

// meet has most hard links lead to what their layer has, and steps go where layers have something.
func (w *world) meet(tars [][]tar.Header) {
	var there []string
	for _, layer := range tars {
		for i, h := range layer {
			if h.Typeflag == tar.TypeLink && i > 0 && layer[i-1].Typeflag != tar.TypeDir {
				layer[i].Linkname = path.Clean("/" + layer[i-1].Name)
			}
			if at := path.Clean("/" + h.Name); at != "/" {
				there = append(there, at, at)
			}
		}
	}
	w.paths = rapid.OneOf(w.paths, rapid.SampledFrom(append(there, "/a")))
}

// odds tells of something that happens once in some times.
func odds(t *rapid.T, what string, of int) bool { return rapid.IntRange(1, of).Draw(t, what) == 1 }

// drawEntry draws an entry of a layer. A file's text is its Uname.
func (w world) drawEntry(t *rapid.T) tar.Header {
	at := w.paths.Draw(t, "path")
	if w.odd && odds(t, "root", 20) {
		at = "/"
	}
	h := tar.Header{Mode: modes.Draw(t, "mode"), Uid: uids.Draw(t, "uid"), Gid: 0, Format: tar.FormatPAX}
	h.Typeflag = rapid.SampledFrom([]byte("5555555555"+"000000"+"2222"+"11"+"3"+"g"+"oo"+"rr")).Draw(t, "type")
	h.Gid = h.Uid
	switch h.Typeflag {
	case tar.TypeDir:
		if w.attributed && odds(t, "attributed", 4) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "y"}
		}
	case tar.TypeReg:
		h.Uname = texts.Draw(t, "text")
		h.Size = int64(len(h.Uname))
	case tar.TypeSymlink:
		h.Linkname = rapid.OneOf(w.paths, w.names, rapid.Just("../b")).Draw(t, "target")
	case tar.TypeLink:
		h.Linkname = w.paths.Draw(t, "target")[rapid.IntRange(0, 1).Draw(t, "relative"):]
	case tar.TypeXGlobalHeader:
		h.Mode, h.Uid, h.Gid, h.PAXRecords = 0, 0, 0, map[string]string{"comment": "c"}
	case 'o':
		h.Typeflag, at = tar.TypeReg, path.Join(path.Dir(at), ".wh..wh..opq")
	case 'r':
		h.Typeflag, at = tar.TypeReg, path.Join(path.Dir(at), ".wh."+path.Base(at))
	}
	h.Name = rapid.SampledFrom([]string{"", "./", "/", "../"}).Draw(t, "before") + at[1:]
	if h.Typeflag == tar.TypeDir {
		h.Name += "/"
	} else if at == "/" {
		h.Name = "."
	}
	return h
}

func archived(layer []tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range layer {
		text := h.Uname
		h.Uname = ""
		if h.Typeflag == tar.TypeXGlobalHeader {
			h = tar.Header{Typeflag: h.Typeflag, Name: h.Name, PAXRecords: h.PAXRecords, Format: h.Format}
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if h.Size > 0 {
			_, _ = w.Write([]byte(text))
		}
	}
	_ = w.Close()
	return b.Bytes()
}

// tried is a step of a Dockerfile.
type tried struct {
	workdir, linked    bool
	dest               string
	slash, known, glob bool
	uid                int
	named              bool
	from               [][]source // for each thing it copies
	left               [][]source // what is left out besides
}

func (w world) drawStep(t *rapid.T) tried {
	s := tried{workdir: odds(t, "workdir", 10), linked: odds(t, "linked", 10), dest: rapid.OneOf(w.paths, w.paths, w.paths, rapid.Just("/")).Draw(t, "dest"), slash: odds(t, "slash", 2),
		known: !w.unknown || !odds(t, "unknown", 3), glob: w.globs && odds(t, "glob", 2), uid: uids.Draw(t, "chown"), named: w.named && odds(t, "named", 2)}
	s.slash = s.slash || s.dest == "/"
	s.linked = s.linked && !s.named
	n := 1
	if s.slash {
		n = rapid.IntRange(1, 2).Draw(t, "things")
	}
	for range n {
		least, most := 1, 1
		if s.glob {
			least, most = 0, 2
		}
		s.from = append(s.from, rapid.SliceOfN(rapid.Custom(w.drawSource), least, most).Draw(t, "from"))
		s.left = append(s.left, rapid.SliceOfN(rapid.Custom(w.drawSource), 0, most-least).Draw(t, "left out"))
	}
	return s
}

func (w world) drawSource(t *rapid.T) source {
	s := source{name: w.names.Draw(t, "name"), root: w.drawNode(t), in: map[string]node{}}
	s.root.kind = rapid.SampledFrom([]byte{tar.TypeReg, tar.TypeDir, tar.TypeDir}).Draw(t, "root")
	if s.root.kind == tar.TypeDir {
		if w.named && odds(t, "names", 3) {
			s.in["/etc"], s.in["/etc/passwd"] = node{kind: tar.TypeDir, mode: 0o755}, node{kind: tar.TypeReg, text: texts.Draw(t, "names")}
		}
		for range rapid.IntRange(0, 4).Draw(t, "files") {
			at := w.paths.Draw(t, "in")
			for dir := path.Dir(at); dir != "/"; dir = path.Dir(dir) {
				if s.in[dir].kind != tar.TypeDir {
					s.in[dir] = node{kind: tar.TypeDir, mode: 0o755}
				}
			}
			if s.in[at].kind != tar.TypeDir {
				s.in[at] = w.drawNode(t)
			}
			if rapid.IntRange(1, 3).Draw(t, "left out") == 1 {
				s.leftOut = append(s.leftOut, at)
			}
		}
	}
	return s
}

func (w world) drawNode(t *rapid.T) node {
	n := node{kind: rapid.SampledFrom([]byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink}).Draw(t, "kind"), mode: modes.Draw(t, "mode"), uid: uids.Draw(t, "uid")}
	switch n.kind {
	case tar.TypeReg:
		n.text = texts.Draw(t, "text")
	case tar.TypeSymlink:
		n.target = w.paths.Draw(t, "target")
	case tar.TypeDir:
		if w.attributed && odds(t, "attributed", 3) {
			n.attrs = 2
		}
	}
	return n
}

// step is the step as the proof has it, which is told of more than is copied.
func (s tried) step(line int, told map[string][]Root) Step {
	if s.workdir {
		return Step{actions: []action{{dest: s.dest, made: 0o755, chown: s.chown()}}}
	}
	out := Step{Line: line, Linked: s.linked}
	for i := range s.from {
		c := &Copied{Path: fmt.Sprint(line, i), Dir: "/unknown", contents: true, Wildcard: s.glob}
		if s.known {
			c.Dir = "/known"
		}
		for _, source := range append(slices.Clone(s.from[i]), slices.Concat(s.left...)...) {
			r := Root{Name: source.name, Directory: source.root.kind == tar.TypeDir}
			for at, n := range source.in {
				r.Below = append(r.Below, Below{at, n.kind == tar.TypeDir, n.kind == tar.TypeSymlink, n.attrs != 0})
			}
			told[c.Path] = append(told[c.Path], r)
		}
		out.actions = append(out.actions, action{dest: s.dest, slash: s.slash, chown: s.chown(), copy: c})
	}
	return out
}

func (s tried) chown() *pb.ChownOpt {
	switch {
	case s.named:
		return &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: "me"}}}}
	case s.uid != 0:
		return &pb.ChownOpt{User: byID(s.uid)}
	}
	return nil
}

// build builds an image, with some of its steps linked.
func build(base fsys, steps []tried, edits map[int]Edit) (fsys, error) {
	f := maps.Clone(base)
	for i, s := range steps {
		edit, linked := edits[i+1]
		into := f
		if linked || s.linked && !s.workdir {
			into = fsys{}
		}
		for _, from := range s.from {
			uid, err := s.uid, error(nil)
			if s.named && !linked {
				uid, err = f.named()
			} else if edit.Owner != nil {
				uid = edit.Owner.UID
			}
			if s.workdir {
				at, lost := f.follow(s.dest)
				err = cmp.Or(err, lost)
				if err == nil {
					err = f.mkdirAll(at, func(string) node { return node{kind: tar.TypeDir, mode: 0o755, uid: uid} })
				}
			} else if err == nil {
				err = into.copies(from, s.dest, s.slash, uid)
			}
			if err != nil {
				return nil, errModel
			}
		}
		if linked || s.linked && !s.workdir {
			f.overlay(into)
		}
	}
	for p, n := range f {
		n.opaque = false
		f[p] = n
	}
	return f, nil
}

// named is the number of the user me.
func (f fsys) named() (int, error) {
	at, err := f.follow(layers.PasswdFile)
	if err != nil || f[at].kind != tar.TypeReg {
		return 0, errModel
	}
	users, err := user.ParsePasswdFilter(strings.NewReader(f[at].text), func(u user.User) bool { return u.Name == "me" })
	if err != nil || len(users) == 0 {
		return 0, errModel
	}
	return users[0].Uid, nil
}
