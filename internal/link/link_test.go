package link_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/layers"
	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/link/linktest"
)

func dir(path string, mode uint32, owner ...int) layers.File {
	f := layers.File{Path: path, Kind: layers.Directory, Mode: mode}
	if len(owner) == 2 {
		f.UID, f.GID = owner[0], owner[1]
	}
	return f
}

func of(kind layers.FileKind, path string) layers.File { return layers.File{Path: path, Kind: kind} }

// base is a base image of two layers.
var base = []layers.Files{
	{List: []layers.File{
		dir("/etc", 0o755), of(layers.Regular, "/etc/passwd"), of(layers.Regular, "/etc/group"),
		dir("/usr", 0o755), dir("/usr/bin", 0o755), of(layers.Regular, "/usr/bin/tool"), of(layers.Symlink, "/bin"),
		dir("/tmp", 0o1777), dir("/gone", 0o700), dir("/emptied", 0o755), of(layers.Regular, "/emptied/file"), of(layers.Symlink, "/now"),
		{Path: "/acl", Kind: layers.Directory, Mode: 0o755, Attributed: true}, dir("/own", 0o755, 5, 6), dir("/turned", 0o755), of(layers.Symlink, "/turned/link"),
		dir("/app", 0o755), of(layers.Symlink, "/app/link"),
	}, Texts: map[string][]byte{"/etc/passwd": []byte("root:x:0:0::/:\nme:x:5:6::/:\n"), "/etc/group": []byte("us:x:6:\n")}},
	{List: []layers.File{of(layers.Removed, "/gone"), of(layers.Emptied, "/emptied"), dir("/now", 0o755), of(layers.Symlink, "/turned")}},
}

// inContext is what is in the directory that is copied of.
func inContext(c link.Copied) ([]link.Root, bool) {
	switch c.Path {
	case "/file":
		return []link.Root{{Name: "file"}}, true
	case "/dir":
		return []link.Root{{Name: "dir", Directory: true, Below: []link.Below{{Path: "bin", Directory: true}, {Path: "bin/tool"}, {Path: "link", Symlink: true}}}}, true
	case "/*":
		return []link.Root{{Name: "file"}, {Name: "dir", Directory: true}}, true
	case "/conf": // any of which may be left out
		return []link.Root{{Name: "conf", Directory: true, Below: []link.Below{{Path: "dir"}, {Path: "link"}, {Path: "file"}}}}, true
	case "/attributed":
		return []link.Root{{Name: "attributed", Directory: true, Below: []link.Below{{Path: "bin", Directory: true, Attributed: true}}}}, true
	case "/passwd":
		return []link.Root{{Name: "passwd"}}, true
	case "/etc":
		return []link.Root{{Name: "etc", Directory: true, Below: []link.Below{{Path: "etc", Directory: true}, {Path: "etc/passwd"}}}}, true
	case "/none*":
		return nil, true
	}
	return nil, false
}

func tree() *link.Tree {
	t := link.NewTree()
	w := link.NewWatch()
	w.Add("/")
	for _, l := range base {
		t.Add(w.Of(l))
	}
	return t
}

// chain is how the last stage of a Dockerfile makes its image.
func chain(t *testing.T, dockerfile string) link.Chain {
	t.Helper()
	d, err := link.Parse([]byte(dockerfile), "")
	if err != nil {
		t.Fatal(err)
	}
	def, _ := linktest.Definition(t, dockerfile)
	c, err := link.Read(def, d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// whys are why the copies of the last stage of a Dockerfile are not linked, one for each.
func whys(t *testing.T, dockerfile string, on *link.Tree) []string {
	t.Helper()
	c := chain(t, dockerfile)
	var out []string
	for _, v := range c.Prove(on, inContext) {
		out = append(out, v.Why)
	}
	return out
}

// Why steps are not linked, in their order; empty for one that is.
func TestProve(t *testing.T) {
	for _, tt := range []struct {
		steps string
		want  []string
	}{
		{"COPY file /new", []string{""}},
		{"COPY file /usr/bin/new\nCOPY file /usr/bin/\nCOPY file /usr/bin/tool", []string{"", "", ""}},
		{"COPY file /", []string{""}},
		{"COPY file /bin/new", []string{"/bin is a link"}},
		{"COPY file /tmp/new", []string{"mode 1777"}},
		{"COPY --chown=5:6 file /own/new\nCOPY --chown=5 file /own/new\nCOPY --chown=me:us file /own/new\nCOPY --chown=me file /own/new", []string{"", "belongs to 5:6", "", ""}},
		{"COPY --chown=them file /new\nCOPY --chown=5:them file /new2", []string{"no user them", "no group them"}},
		{"COPY file /gone/x/new\nCOPY file /gone/x/", []string{"", ""}},
		{"COPY --from=other /x /emptied/\nCOPY --from=other /y /emptied/", []string{"", "has files already"}},
		{"COPY --from=other /x /y /emptied/\nCOPY --from=other /x /y /absent/", []string{"", ""}},
		{"COPY --from=other /x /usr/bin/", []string{"has files already"}},
		{"COPY --from=other /x /usr/bin", []string{"may be a file or a directory"}},
		{"COPY --from=other /x* /fresh/", []string{"anything matches"}},
		{"COPY file /now/new", []string{""}},
		{"COPY file /turned/new", []string{"/turned is a link"}},
		{"COPY file /acl/new", []string{"extended attributes"}},
		{"COPY file /usr", []string{"put a file in its place"}},
		{"COPY dir /usr\nCOPY dir /usr/", []string{"", ""}},
		{"COPY dir /usr/bin/tool", []string{"is a file"}},
		{"COPY dir /", []string{"/bin is no directory"}},
		{"COPY file /d/bin\nCOPY dir /d/", []string{"", "/d/bin is no directory"}},
		{"COPY dir /d/\nCOPY file /d/bin", []string{"", "what the directory /d/bin is like"}},
		{"COPY dir /d/\nCOPY file /d/link/x", []string{"", "/d/link is a link"}},
		{"COPY file /d\nCOPY file /d/", []string{"", "is a file"}},
		{"COPY * /d/\nCOPY none* /e/", []string{"", "anything matches"}},
		{"COPY unknown /d\nCOPY file /d/x", []string{"", "not known what stands at /d"}},
		{"ADD file /d/\nADD file /usr/bin/\nADD dir /e/", []string{"", "not known what is copied", ""}},
		{"ADD https://example.com/a/file /usr/bin/\nADD https://example.com/git.git /usr/bin/\nADD https://example.com/git.git /g/", []string{"", "not known what is copied", ""}},
		{"COPY <<EOF /usr/bin/tool\ntext\nEOF", []string{""}},
		{"COPY --chmod=700 file /usr/bin/new\nCOPY file /a/b\nCOPY --chmod=700 file /c/d\nCOPY file /c/e", []string{"--chmod", "", "--chmod", "what the directory /c is like"}},
		{"WORKDIR /w\nCOPY file x\nUSER me\nWORKDIR /v/u\nCOPY file x\nCOPY --chown=me file y", []string{"", "belongs to 5:6", ""}},
		{"WORKDIR /bin/sub\nCOPY file /usr/x", []string{"not known what stands at /usr"}},
		{"RUN true\nCOPY file /x", []string{"a RUN stands"}},
		{"COPY file /x\nRUN true", []string{"a RUN stands"}},
		{"COPY conf /app/\nCOPY file /app/link\nCOPY file /app/dir", []string{"", "not known what stands at /app/link", "not known what stands at /app"}},
		{"COPY conf /fresh/\nCOPY file /fresh/file\nCOPY dir /fresh/dir", []string{"", "", "/fresh/dir is a file"}},
		{"COPY --exclude=bin --exclude=!bin/tool dir /usr/", []string{"not known what is copied"}},
		{"COPY attributed /fresh/\nCOPY dir /fresh/", []string{"", "not known what stands at /fresh/bin"}},
		{"COPY --chown=me passwd file /etc/\nCOPY --chown=me file file /own/", []string{"belongs to 0:0", "/etc/passwd of the base image is not known"}},
		{"COPY --chown=me:us etc file /\nCOPY --chown=me file file /x/", []string{"/etc/passwd of the base image is not known", "/etc/passwd of the base image is not known"}},
		{"COPY --from=other /x /q/\nCOPY --chown=5 file /q/x/new/y\nCOPY file /etc/new/z", []string{"", "not known", "not known what stands at /etc"}},
		{"COPY --link file /tmp/x\nCOPY file /tmp/y", []string{""}},
		{"COPY --chown=7 file /p/1\nCOPY file /p/2", []string{"", "belongs to 7:7"}},
		{"COPY file /etc/passwd\nCOPY --chown=me file /x", []string{"", "/etc/passwd of the base image is not known"}},
	} {
		got := whys(t, "FROM base\n"+tt.steps+"\n", tree())
		same := slices.EqualFunc(got, tt.want, func(got, want string) bool { return (got == "") == (want == "") && strings.Contains(got, want) })
		if !same {
			t.Errorf("%s\nis not linked since %q\nwant %q", tt.steps, got, tt.want)
		}
	}
}

// What is unpacked through a link of a lower layer is found nowhere.
func TestLayerThroughLink(t *testing.T) {
	on := tree()
	on.Add(layers.Files{List: []layers.File{of(layers.Implied, "/bin"), of(layers.Regular, "/bin/x")}})
	if got := whys(t, "FROM base\nCOPY file /new\n", on); got[0] == "" {
		t.Error("a layer has put files elsewhere, and it is linked")
	}
	on = tree()
	on.Add(layers.Files{List: []layers.File{of(layers.Implied, "/implied"), of(layers.Regular, "/implied/x")}})
	if got := whys(t, "FROM base\nCOPY file /implied/y\n", on); !strings.Contains(got[0], "what the directory /implied is like") {
		t.Errorf("it is not linked since %q", got[0])
	}
}

// What is watched is enough to tell of a step.
func TestWatch(t *testing.T) {
	const dockerfile = "FROM base\nCOPY --from=other /x /emptied/\nCOPY --chown=me:us --from=other /x /own/\n"
	c := chain(t, dockerfile)
	if !strings.HasSuffix(c.Image, "base:latest@"+linktest.Base.String()) {
		t.Errorf("its base image is %s", c.Image)
	}
	w := link.NewWatch()
	c.Watch(w)
	some, names := link.NewTree(), map[string]bool{}
	for _, l := range base {
		seen := w.Of(l)
		some.Add(seen)
		for _, f := range seen.List {
			names[f.Path] = true
		}
	}
	if names["/usr/bin/tool"] || !names["/emptied/file"] || !names["/bin"] {
		t.Errorf("watched are %v", names)
	}
	got, want := c.Prove(some, inContext), c.Prove(tree(), inContext)
	for i := range want {
		if want[i].Why != "" || got[i].Why != "" || !got[i].Edit.Equal(want[i].Edit) {
			t.Errorf("by what is watched %+v, by all %+v", got[i], want[i])
		}
	}
}

// A step is of the last stage of the target, and stands where the Dockerfile has it.
func TestStages(t *testing.T) {
	const dockerfile = "FROM base AS one\nCOPY file /1\nFROM one AS two\nCOPY file /2\nFROM base\nCOPY file /3\n"
	d, err := link.Parse([]byte(dockerfile), "two")
	if err != nil {
		t.Fatal(err)
	}
	def, _ := linktest.Definition(t, strings.Join(strings.SplitAfter(dockerfile, "\n")[:4], ""))
	c, err := link.Read(def, d)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Steps) != 2 || c.Steps[0].Line != 0 || c.Steps[0].Keeps != "it does not stand in this Dockerfile" {
		t.Errorf("steps of another Dockerfile are %+v", c.Steps)
	}
	if got := whys(t, "FROM base AS one\nCOPY file /1\nFROM one\nCOPY file /2\n", tree()); got[0] != "it stands in another stage" || got[1] != "" {
		t.Errorf("not linked since %q", got)
	}
	if got := whys(t, "FROM base\nCOPY file /1\nCOPY --link=false file /2\nCOPY file /3\n", tree()); got[0] != "" || got[1] != "the Dockerfile asks for that (--link=false)" || got[2] != "" {
		t.Errorf("not linked since %q", got)
	}
	for text, want := range map[string]bool{"FROM base\nRUN true": true, "FROM base AS one\nRUN true\nFROM one AS two\nFROM two": true,
		"FROM base AS one\nRUN true\nFROM base\nONBUILD RUN true\nCOPY --from=one a b\nCOPY --link a c\nCOPY --link=true a d\nADD --link=False a e": false} {
		d, err := link.Parse([]byte(text), "")
		if err != nil || d.Runs() != want {
			t.Errorf("%q: runs %t (%v)", text, !want, err)
		}
		if lines := d.Copies(); !want && !slices.Equal(lines, []int{5}) {
			t.Errorf("%q copies in %v", text, lines)
		}
	}
	if _, err := link.Parse([]byte(dockerfile), "three"); err == nil {
		t.Error("a target that is not there is found")
	}
	if _, err := link.Parse([]byte("RUM x"), ""); err == nil {
		t.Error("nonsense is read")
	}
}
