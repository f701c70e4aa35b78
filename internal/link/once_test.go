package link

import (
	"archive/tar"
	"testing"
)

// What once made another image, in its simplest form. The last step of each was linked.
func TestOnceLinked(t *testing.T) {
	dir, text := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755} }, node{kind: tar.TypeReg, text: user6}
	file := []source{{name: "f", root: text}}
	for name, tt := range map[string]struct {
		layers [][]tar.Header
		steps  []tried
	}{
		"left out": {[][]tar.Header{{dir("a/"), dir("a/f/"), dir("a/f/b")}}, []tried{
			{dest: "/a", slash: true, known: true, from: [][]source{{{root: node{kind: tar.TypeDir}, in: map[string]node{"/f": text}, leftOut: []string{"/f"}}}}},
			{dest: "/a/f", known: true, from: [][]source{{{name: "g", root: text}}}}}},
		"a hard link to a link": {[][]tar.Header{{{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "/b"}, {Typeflag: tar.TypeLink, Name: "h", Linkname: "l"}}},
			[]tried{{dest: "/h", known: true, from: [][]source{file}}}},
		"emptied late": {[][]tar.Header{{dir("a/"), {Typeflag: tar.TypeDir, Name: "a/b", Mode: 0o700}, {Typeflag: tar.TypeReg, Name: "a/.wh..wh..opq"}}},
			[]tried{{dest: "/a/b/f", known: true, from: [][]source{file}}}},
		"a name that is changed": {[][]tar.Header{{dir("etc/"), {Typeflag: tar.TypeReg, Name: "etc/passwd", Uname: user5, Size: int64(len(user5))}}}, []tried{
			{dest: "/", slash: true, known: true, named: true, from: [][]source{{{root: node{kind: tar.TypeDir}, in: map[string]node{"/etc": {kind: tar.TypeDir, mode: 0o755}, "/etc/passwd": text}}}, file}}}},
		"through an unknown link": {nil, []tried{
			{dest: "/q", slash: true, from: [][]source{{{root: node{kind: tar.TypeDir}, in: map[string]node{"/x": {kind: tar.TypeSymlink, target: "/"}}}}}},
			{dest: "/q/x/new/y", known: true, uid: 5, from: [][]source{file}},
			{dest: "/new/z", known: true, from: [][]source{file}}}},
	} {
		n, differs := sameLinked(tt.layers, tt.steps)
		if differs != "" || n >= len(tt.steps) {
			t.Errorf("%s: %d steps are linked: %s", name, n, differs)
		}
	}
}
