package cli

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/stoker-build/stoker/internal/autolink"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/run"
)

// linkBase is what the base image has on top of an operating system.
var linkBase = []tar.Header{
	{Name: "tmp/", Mode: 0o1777},
	{Name: "home/", Mode: 0o755},
	{Name: "home/agent/", Mode: 0o755, Uid: 1000, Gid: 1001},
	{Name: "opt/", Mode: 0o755},
	{Name: "opt/lib", Linkname: "../usr/lib", Mode: 0o777},
	{Name: "usr/", Mode: 0o755},
	{Name: "usr/lib/", Mode: 0o755},
	{Name: "usr/empty/", Mode: 0o755},
	{Name: "var/", Mode: 0o755},
	{Name: "var/secret/", Mode: 0o750},
	{Name: "var/group/", Mode: 0o2755},
	{Name: "app/", Mode: 0o755},
	{Name: "app/a.txt", Mode: 0o600, Uid: 7},
	{Name: "app/sub/", Mode: 0o700, Uid: 8},
	{Name: "app/other", Linkname: "a.txt", Mode: 0o777},
	{Name: "held/", Mode: 0o755},
	{Name: "held/read.md/", Mode: 0o755},
	{Name: "held/read.md/kept/", Mode: 0o755},
	{Name: "app/hard", Linkname: "app/other", Typeflag: tar.TypeLink},
	{Name: "late/", Mode: 0o755},
	{Name: "late/-sub/", Mode: 0o700, Uid: 5},
	{Name: "late/.wh..wh..opq"},
}

var linkTexts = map[string]string{
	"etc/passwd": "root:x:0:0::/:/bin/sh\nagent:x:1000:1001::/home/agent:/bin/sh\n",
	"etc/group":  "root:x:0:\ncrew:x:1002:\n",
}

// linkCases are Dockerfiles on BASE, and for each COPY or ADD of the last stage whether it is
// linked: empty where it is, else a part of why it is not.
var linkCases = map[string]struct {
	dockerfile string
	want       map[string]string
}{
	"number":     {"FROM BASE\nENV A=b\nCOPY --chown=5:6 a.txt /n1/x/a.txt\nLABEL c=d\nCOPY --chown=7 dir /n2/\nCMD [\"x\"]", map[string]string{"/n1/x/a.txt": "", "/n2/": ""}},
	"name":       {"FROM BASE\nARG U=agent\nCOPY --chown=${U}:crew dir /s1\nADD \\\n  # a remark\n  --chown=agent \\\n  a.txt /s2/\nCOPY --chown=nobody a.txt /s3", map[string]string{"/s1": "", "/s2/": "", "/s3": "no user nobody"}},
	"globs":      {"FROM BASE\nCOPY *.txt /g1/\nCOPY *.nothing /g2/\nCOPY d* /usr/empty/", map[string]string{"/g1/": "", "/g2/": "anything matches", "d* /usr/empty/": ""}},
	"onto":       {"FROM BASE\nCOPY dir/ /app/\nCOPY dir /app", map[string]string{"dir/ /app/": "", "dir /app": ""}},
	"into":       {"FROM BASE\nCOPY a.txt /app", map[string]string{"a.txt /app": "put a file in its place"}},
	"through":    {"FROM BASE\nCOPY dir /opt/x/lib\nCOPY a.txt /opt/lib/x.txt\nCOPY a.txt /usr/lib/y.txt", map[string]string{"/opt/x/lib": "", "/opt/lib/x.txt": "/opt/lib is a link", "/usr/lib/y.txt": "not known"}},
	"onto-link":  {"FROM BASE\nCOPY a.txt /app/other", map[string]string{"/app/other": "/app/other is a link"}},
	"tmp":        {"FROM BASE\nCOPY a.txt /tmp/t.txt", map[string]string{"/tmp/t.txt": "mode 1777"}},
	"owners":     {"FROM BASE\nCOPY a.txt /home/agent/1\nCOPY --chown=agent a.txt /home/agent/2\nCOPY --chown=root a.txt /home/3", map[string]string{"/home/agent/1": "1000:1001", "/home/agent/2": "/home belongs to 0:0", "/home/3": ""}},
	"modes":      {"FROM BASE\nCOPY a.txt /var/secret/1\nCOPY a.txt /var/group/2", map[string]string{"/var/secret/1": "mode 0750", "/var/group/2": "mode 2755"}},
	"workdir":    {"FROM BASE\nUSER agent\nWORKDIR /w1/w2\nCOPY a.txt w3\nCOPY --chown=agent a.txt w4/\nWORKDIR /usr/lib\nCOPY dir .\nUSER root\nWORKDIR /w5\nCOPY dir .\nVOLUME /w6\nCOPY dir /w6/x", map[string]string{"w3": "belongs to 1000:1001", "w4/": "", "/w6/x": ""}},
	"onbuild":    {"FROM TRIGGERS\nCOPY dir /o2/x", map[string]string{"TRIGGERS": "ONBUILD copies", "/o2/x": ""}},
	"ownonbuild": {"FROM BASE\nONBUILD COPY a.txt /b1\nCOPY a.txt /b2", map[string]string{"/b2": ""}},
	"archives":   {"FROM BASE\nADD archive.tar /a1/\nADD archive.tar /app/\nADD dir /a2", map[string]string{"/a1/": "", "archive.tar /app/": "not known what is copied", "/a2": ""}},
	"stages":     {"FROM BASE AS make\nRUN mkdir -p /out/x && ln -s x /out/y\nCOPY a.txt /out/z\nFROM BASE\nCOPY --from=make /out /m1\nCOPY --from=make /out /usr/empty\nCOPY --from=make /out/x /usr/empty/\nCOPY --from=make /out/y /var/", map[string]string{"/m1": "", "/out /usr/empty": "file or a directory", "/out/x /usr/empty/": "has files already", "/out/y /var/": "has files already"}},
	"below":      {"FROM BASE AS first\nCOPY a.txt /below\nFROM first\nCOPY a.txt /c2", map[string]string{"/below": "another stage", "/c2": ""}},
	"later":      {"FROM BASE\nCOPY a.txt /l1\nRUN cat /l1 > /l2\nCOPY a.txt /l3", map[string]string{"/l1": "a RUN stands", "/l3": "a RUN stands"}},
	"documents":  {"FROM BASE\nCOPY <<EOF /d1/text\nCOPY a b\nEOF\ncopy --exclude=*.md dir /d2/\nCOPY --parents dir/./sub/x.txt /d3/\nCOPY --chmod=700 a.txt /d4", map[string]string{"/d1/text": "", "/d2/": "", "/d3/": "", "/d4": "--chmod"}},
	"two":        {"FROM BASE\nCOPY --chown=9 a.txt /p/1\nCOPY a.txt /p/2\nCOPY --chown=9 a.txt b.txt /p/", map[string]string{"/p/1": "", "/p/2": "belongs to 9:9", "b.txt /p/": ""}},
	"already":    {"FROM BASE\nCOPY --link a.txt /tmp/linked\nCOPY a.txt /tmp/q", map[string]string{"/tmp/q": ""}},
	"asked":      {"FROM BASE\nCOPY --link=false a.txt /q1\nCOPY a.txt /q2", map[string]string{"/q1": "--link=false", "/q2": ""}},
	"syntax":     {"# syntax=docker/dockerfile:1.7\nFROM BASE\nCOPY --chown=agent:crew dir /f1", map[string]string{"/f1": ""}},
	"left-out":   {"FROM BASE\nCOPY --exclude=read.md dir /held/\nCOPY a.txt /held/read.md", map[string]string{"--exclude=read.md dir /held/": "directory, and a file", "a.txt /held/read.md": "not known"}},
	"readmitted": {"FROM BASE\nCOPY --exclude=sub --exclude=!sub/x.txt dir /app/", map[string]string{"--exclude=!sub/x.txt dir /app/": "not known what is copied"}},
	"hard":       {"FROM BASE\nCOPY b.txt /app/hard", map[string]string{"/app/hard": "/app/hard is a link"}},
	"late":       {"FROM BASE\nCOPY a.txt /late/-sub/a.txt", map[string]string{"/late/-sub/a.txt": "mode 0700"}},
	"own-names":  {"FROM BASE\nCOPY --chown=agent names a.txt /", map[string]string{"names a.txt /": "not known"}},
	"scratch":    {"FROM scratch\nCOPY a.txt /", nil},
}

// An image of which steps are linked by themselves is the same as without, and each step is
// linked where that is so.
func TestAutoLinkMakesTheSameImages(t *testing.T) {
	t.Parallel()
	w := newMirrored(t, small(1, 1), lab.BuildkitdOptions{})
	bases := strings.NewReplacer("BASE", w.pushLinkBase("linkbase:1", nil), "TRIGGERS", w.pushLinkBase("triggers:1", []string{"COPY a.txt /o1"}))
	for name, c := range linkCases {
		dir := "cases/" + name + "/"
		w.write(dir+"Dockerfile", bases.Replace(c.dockerfile)+"\n")
		for file, text := range map[string]string{"a.txt": "a\n", "b.txt": "b\n", "dir/d.txt": "d\n", "dir/read.md": "m\n", "dir/sub/x.txt": "x\n", "names/etc/passwd": "agent:x:7:7::/:/bin/sh\n"} {
			w.write(dir+file, text)
		}
		w.write(dir+"archive.tar", string(archiveOf(t, []tar.Header{{Name: "u/", Mode: 0o711, Uid: 3}, {Name: "u/v", Linkname: "w", Mode: 0o777}}, map[string]string{"u/w": "w\n"})))
	}
	args := func(command, as, which string, more ...string) []string {
		return append(append([]string{command, "--builder", w.daemon.Addr(), "--each", w.path("cases/" + which + "/Dockerfile"), "--allow-outside", "--state-dir", w.path("state"),
			"-t", w.registry.Host() + "/" + as + "/{{.Name}}:1", "--push"}, more...), "{{.Dir}}")
	}
	var told, beside bytes.Buffer // which says how far it is, where that takes long
	code := Main(t.Context(), "test", args("plan", "linked", "*", "--format", "json"), Streams{In: strings.NewReader(""), Out: &told, Err: &beside})
	var planned run.Planned
	if err := json.Unmarshal(told.Bytes(), &planned); err != nil || code != ExitOK {
		t.Fatalf("%v, exit code %d\n%s", err, code, beside.String())
	}
	checkLinks(t, planned.Links, bases)
	w.buildWithoutBase(args("build", "linked", "number", "--progress", "plain", "--output-dir", w.path("first"))...)
	for as, flags := range map[string][]string{"linked": nil, "plain": {"--auto-link=false"}} {
		if code, out := runStoker(t.Context(), args("build", as, "*", append(flags, "--progress", "plain", "--output-dir", w.path(as))...)...); code != ExitOK {
			t.Fatalf("%s: exit code %d\n%s", as, code, out)
		}
	}
	for name := range linkCases {
		plain, linked := w.flat("plain/"+name), w.flat("linked/"+name)
		for p := range maps.Keys(joined(plain.files, linked.files)) {
			if plain.files[p] != linked.files[p] {
				t.Errorf("%s: %s is %+v, and linked %+v", name, p, plain.files[p], linked.files[p])
			}
		}
		if plain.config != linked.config {
			t.Errorf("%s: the config is\n%s\nand linked\n%s", name, plain.config, linked.config)
		}
		if plain.layers != linked.layers {
			t.Errorf("%s: it has %d layers, and linked %d", name, plain.layers, linked.layers)
		}
	}
}

// buildWithoutBase builds an image of which all steps are linked. Nothing is pulled for that:
// stoker plan has read each layer once.
func (w *workbench) buildWithoutBase(args ...string) {
	w.t.Helper()
	if code, out := runStoker(w.t.Context(), args...); code != ExitOK || !strings.Contains(out, "linked 2 COPY or ADD steps") {
		w.t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, l := range w.bases[0].Layers {
		if n := w.registry.Requests().BlobGets[l.Digest]; n != 1 {
			w.t.Errorf("the layer %s was read %d times", l.Digest, n)
		}
	}
}

func joined[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// checkLinks compares what is told of steps with what the cases want.
func checkLinks(t *testing.T, steps []autolink.Step, bases *strings.Replacer) {
	t.Helper()
	for name, c := range linkCases {
		for dest, want := range c.want {
			told := slices.DeleteFunc(slices.Clone(steps), func(s autolink.Step) bool { return !strings.HasSuffix(s.Text, " "+bases.Replace(dest)) })
			if len(told) != 1 {
				t.Errorf("%s: of the copy to %s is told %v", name, dest, told)
			} else if why := told[0].Why; (why == "") != (want == "") || !strings.Contains(why, want) {
				t.Errorf("%s: the copy to %s is not linked since %q, want %q", name, dest, why, want)
			}
		}
	}
}

// pushLinkBase pushes a base image with all that is in the way of links.
func (w *workbench) pushLinkBase(name string, onBuild []string) string {
	w.t.Helper()
	below, err := lab.PullImage(w.t.Context(), w.bases[0].Ref)
	if err != nil {
		w.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archiveOf(w.t, linkBase, linkTexts))), nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	image, err := mutate.AppendLayers(below, layer)
	if err != nil {
		w.t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		w.t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.OnBuild = onBuild
	if image, err = mutate.Config(image, config.Config); err != nil {
		w.t.Fatal(err)
	}
	ref, err := ggcr.ParseReference(w.registry.Host()+"/"+name, ggcr.Insecure)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		w.t.Fatal(err)
	}
	return ref.String()
}

// archiveOf makes an archive of directories and links, and of files with texts.
func archiveOf(t *testing.T, headers []tar.Header, texts map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	for _, h := range headers {
		switch {
		case h.Typeflag != 0:
		case strings.HasSuffix(h.Name, "/"):
			h.Typeflag = tar.TypeDir
		case h.Linkname != "":
			h.Typeflag = tar.TypeSymlink
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := archive.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(texts[name])), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = io.WriteString(archive, texts[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// flatImage is an image as a container sees it: what is at each path but for the times of
// directories, and the config but for times and owners in the history.
type flatImage struct {
	files  map[string]flatFile
	config string
	layers int
}

type flatFile struct {
	kind     byte
	mode     int64
	uid, gid int
	link     string
	content  string
	changed  int64 // not of directories
}

func (w *workbench) flat(repository string) flatImage {
	w.t.Helper()
	image, err := lab.PullImage(w.t.Context(), w.registry.Host()+"/"+repository+":1")
	if err != nil {
		w.t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil {
		w.t.Fatal(err)
	}
	out := flatImage{files: map[string]flatFile{}, layers: len(layers)}
	for _, l := range layers {
		if err := out.unpack(l); err != nil {
			w.t.Fatal(err)
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		w.t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Created, config.RootFS = v1.Time{}, v1.RootFS{}
	for i := range config.History {
		config.History[i].Created = v1.Time{}
		words := strings.Fields(config.History[i].CreatedBy)
		words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, "--chown=") })
		config.History[i].CreatedBy = strings.Join(words, " ")
	}
	text, err := json.MarshalIndent(config, "", " ")
	if err != nil {
		w.t.Fatal(err)
	}
	out.config = string(text)
	return out
}

// unpack puts a layer on top.
func (i *flatImage) unpack(l v1.Layer) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at := path.Clean("/" + h.Name)
		if path.Base(at) == ".wh..wh..opq" {
			continue // below the base's layer that has one nothing is
		}
		if strings.HasPrefix(path.Base(at), ".wh.") {
			return fmt.Errorf("%s: nothing is removed here", at)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, archive); err != nil {
			return err
		}
		f := flatFile{kind: h.Typeflag, mode: h.Mode, uid: h.Uid, gid: h.Gid, link: h.Linkname}
		if h.Typeflag != tar.TypeDir {
			f.content, f.changed = hex.EncodeToString(sum.Sum(nil)), h.ModTime.UnixNano()
			for below := range i.files {
				if strings.HasPrefix(below, at+"/") {
					delete(i.files, below)
				}
			}
		}
		i.files[at] = f
	}
}
