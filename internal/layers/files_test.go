package layers

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
)

// layerTar is a layer with an entry of each kind.
func layerTar(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644, Size: 4},
		{Name: "./tmp", Typeflag: tar.TypeDir, Mode: 0o1777, Uid: 3, Gid: 4, PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}},
		{Name: "tmp/link", Typeflag: tar.TypeSymlink, Linkname: "/etc", Mode: 0o777},
		{Name: "a/b/c", Typeflag: tar.TypeReg},
		{Name: "a/b/hard", Typeflag: tar.TypeLink, Linkname: "a/b/c"},
		{Name: "etc/.wh.group", Typeflag: tar.TypeReg},
		{Name: "etc/.wh..wh..opq", Typeflag: tar.TypeReg},
		{Name: "../../out", Typeflag: tar.TypeReg},
	} {
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, "root"); err != nil {
				t.Fatal(err)
			}
		}
	}
	must(t, w.Close())
	return b.Bytes()
}

var listed = Files{
	List: []File{
		{Path: "/etc", Kind: Directory, Mode: 0o755},
		{Path: "/etc/passwd", Mode: 0o644},
		{Path: "/tmp", Kind: Directory, Mode: 0o1777, UID: 3, GID: 4, Attributed: true},
		{Path: "/tmp/link", Kind: Symlink, Mode: 0o777},
		{Path: "/a", Kind: Implied}, {Path: "/a/b", Kind: Implied}, {Path: "/a/b/c"}, {Path: "/a/b/hard"},
		{Path: "/etc/group", Kind: Removed}, {Path: "/etc", Kind: Emptied}, {Path: "/out"},
	},
	Texts: map[string][]byte{"/etc/passwd": []byte("root")},
}

// However a layer is compressed, its files are the same.
func TestReadFiles(t *testing.T) {
	plain := layerTar(t)
	var zipped, packed bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(plain)
	must(t, err)
	must(t, z.Close())
	p, err := zstd.NewWriter(&packed)
	must(t, err)
	_, err = p.Write(plain)
	must(t, err)
	must(t, p.Close())
	for how, data := range map[string][]byte{"plain": plain, "gzip": zipped.Bytes(), "zstd": packed.Bytes()} {
		got, err := ReadFiles(bytes.NewReader(data))
		if err != nil || !reflect.DeepEqual(got, listed) {
			t.Errorf("%s: %v\n%+v\nwant\n%+v", how, err, got, listed)
		}
		if _, err := ReadFiles(bytes.NewReader(data[:len(data)/3])); err == nil && how != "plain" { // whose digest tells
			t.Errorf("%s: a third of it is taken for all", how)
		}
	}
	if _, err := ReadFiles(bytes.NewReader([]byte("no archive at all, but as long as one would have to be"))); err == nil {
		t.Error("nonsense is read")
	}
}

// What a layer says of a path depends on how it is unpacked, or not.
func TestWhatEntriesAre(t *testing.T) {
	entry := func(kind byte, name string, to ...string) tar.Header {
		return tar.Header{Typeflag: kind, Name: name, Linkname: strings.Join(to, "")}
	}
	for name, tt := range map[string]struct {
		headers []tar.Header
		want    []File
	}{
		"hard links": {[]tar.Header{entry(tar.TypeDir, "d"), entry(tar.TypeSymlink, "d/s", "/etc"), entry(tar.TypeReg, "d/f"), entry(tar.TypeLink, "h1", "d/s"), entry(tar.TypeLink, "h2", "./d/f"),
			entry(tar.TypeLink, "h3", "/h1"), entry(tar.TypeLink, "h4", "lower"), entry(tar.TypeLink, "h5", "d/s/"), entry(tar.TypeLink, "h6", "d/../h1"), entry(tar.TypeLink, "h7", "d/s/x")},
			[]File{{Path: "/d", Kind: Directory}, {Path: "/d/s", Kind: Symlink}, {Path: "/d/f"}, {Path: "/h1", Kind: Symlink}, {Path: "/h2"}, {Path: "/h3", Kind: Symlink}, {Path: "/h4", Kind: Unknown},
				{Path: "/h5", Kind: Unknown}, {Path: "/h6", Kind: Unknown}, {Path: "/h7", Kind: Unknown}}},
		"devices": {[]tar.Header{entry(tar.TypeChar, "c"), entry(tar.TypeFifo, "p")}, []File{{Path: "/c", Kind: Unknown}, {Path: "/p", Kind: Unknown}}},
		"root":    {[]tar.Header{entry(tar.TypeReg, "./"), entry(tar.TypeSymlink, "/", "a"), entry(tar.TypeReg, "a/..")}, nil},
		"twice": {[]tar.Header{entry(tar.TypeReg, "a"), entry(tar.TypeSymlink, "a", "b"), entry(tar.TypeDir, "a/"), entry(tar.TypeDir, "/a")},
			[]File{{Path: "/a"}, {Path: "/a", Kind: Symlink}, {Path: "/a", Kind: Directory}, {Path: "/a", Kind: Unknown}, {Path: "/a", Kind: Directory}}},
		"removed and put": {[]tar.Header{entry(tar.TypeReg, ".wh.a"), entry(tar.TypeReg, "a/b"), entry(tar.TypeReg, ".wh..wh..opq")},
			[]File{{Path: "/a", Kind: Removed}, {Path: "/a", Kind: Implied}, {Path: "/a", Kind: Unknown}, {Path: "/a/b"}, {Path: "/", Kind: Emptied}, {Path: "/", Kind: Unknown}}},
		"emptied late": {[]tar.Header{entry(tar.TypeReg, "a/b/c"), entry(tar.TypeReg, "a/b/.wh..wh..opq"), entry(tar.TypeReg, "a/.wh..wh..opq")},
			[]File{{Path: "/a", Kind: Implied}, {Path: "/a/b", Kind: Implied}, {Path: "/a/b/c"}, {Path: "/a/b", Kind: Emptied}, {Path: "/a", Kind: Emptied}, {Path: "/a", Kind: Unknown}}},
		"through what is no directory": {[]tar.Header{entry(tar.TypeDir, "a"), entry(tar.TypeDir, "a/b"), entry(tar.TypeSymlink, "a", "c"), entry(tar.TypeReg, "a/b/x")},
			[]File{{Path: "/a", Kind: Directory}, {Path: "/a/b", Kind: Directory}, {Path: "/a", Kind: Symlink}, {Path: "/a", Kind: Unknown}, {Path: "/", Kind: Unknown}, {Path: "/a/b/x"}}},
	} {
		l := newLister()
		for _, h := range tt.headers {
			must(t, l.add(&h, strings.NewReader("")))
		}
		if !slices.Equal(l.files.List, tt.want) {
			t.Errorf("%s: %+v\nwant %+v", name, l.files.List, tt.want)
		}
	}
	for _, name := range []string{"d/.wh.", ".wh...", strings.Repeat("a/", 3000)} {
		if err := newLister().add(&tar.Header{Name: name}, nil); err == nil {
			t.Errorf("%.9s: it is believed", name)
		}
	}
}

func TestFileStore(t *testing.T) {
	s, d := FileStore{Dir: t.TempDir()}, digest.FromString("layer")
	if _, ok := s.Get(d); ok {
		t.Error("what was never kept is there")
	}
	must(t, s.Put(d, listed))
	got, ok := s.Get(d)
	if !ok || !slices.Equal(got.List, listed.List) || string(got.Texts["/etc/passwd"]) != "root" {
		t.Errorf("%t, %+v", ok, got)
	}
	good, err := os.ReadFile(s.file(d))
	must(t, err)
	for what, bad := range map[string][]byte{"empty": nil, "cut": good[:len(good)-9], "changed": append(append([]byte{}, good[:40]...), make([]byte, len(good)-40)...)} {
		must(t, os.WriteFile(s.file(d), bad, 0o644))
		if _, ok := s.Get(d); ok {
			t.Errorf("%s: the file was believed", what)
		}
	}
	other := digest.FromString("other")
	must(t, s.Put(other, listed))
	moved, err := os.ReadFile(s.file(other))
	must(t, err)
	must(t, os.WriteFile(s.file(d), moved, 0o644))
	if _, ok := s.Get(d); ok {
		t.Error("another layer's file was believed")
	}
	if _, ok := (FileStore{}).Get(d); ok || (FileStore{}).Put(d, listed) != nil {
		t.Error("without a directory something is kept")
	}
}
