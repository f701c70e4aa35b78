package builder_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/plan"
)

// hashed is a Dockerfile that reads a file, a directory through a link, a pattern's matches and a bind mount, with an
// argument that is used and one that is not.
const hashed = `FROM BASE
ARG USED=1
ARG UNUSED=1
ENV A=b
COPY one.txt linked/in /
COPY *.md /docs/
RUN --mount=type=bind,source=src,target=/src,rw echo ${USED} > /x
`

// A hash changes exactly when what is built does, wherever the context is and however old its files are.
func TestGraphHashes(t *testing.T) {
	w := newWorld(t)
	other := labtest.Image(t, w.registry, lab.Image{Name: "other/base:1"})
	job := func(name, dockerfile string, change func(dir string)) *plan.Job {
		j := w.job(t, name, "# a comment of "+name+"\n"+dockerfile)
		dir := j.Options.Inputs.ContextPath
		write(t, filepath.Join(dir, ".dockerignore"), "left-out\n*.log\nb.md\n")
		write(t, filepath.Join(dir, "one.txt"), "one")
		write(t, filepath.Join(dir, "real", "in"), "in")
		write(t, filepath.Join(dir, "a.md"), "a")
		write(t, filepath.Join(dir, "src", "main"), "main")
		if err := os.Symlink("real", filepath.Join(dir, "linked")); err != nil {
			t.Fatal(err)
		}
		change(dir)
		return j
	}
	nothing := func(string) {}
	executable := func(dir string) {
		if err := os.Chmod(filepath.Join(dir, "one.txt"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(path, text string) func(dir string) {
		return func(dir string) { write(t, filepath.Join(dir, path), text) }
	}
	arg := func(j *plan.Job, name, value string) *plan.Job {
		j.Options.BuildArgs = map[string]string{name: value}
		return j
	}
	same := []*plan.Job{
		job("as-it-is", hashed, nothing),
		job("older", hashed, func(dir string) {
			if err := os.Chtimes(filepath.Join(dir, "one.txt"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}),
		job("file-that-nothing-reads", hashed, put("other.txt", "x")),
		job("file-left-out", hashed, put("b.md", "x")),
		job("directory-left-out", hashed, put("left-out/new/x", "x")),
		arg(job("unused-argument", hashed, nothing), "NEVER", "2"),
	}
	differ := []*plan.Job{
		job("another-file", hashed, put("one.txt", "two")),
		job("mode", hashed, executable),
		job("behind-a-link", hashed, put("real/in", "other")),
		job("match-of-a-pattern", hashed, put("c.md", "x")),
		job("in-a-bind-mount", hashed, put("src/main", "other")),
		job("env", strings.Replace(hashed, "A=b", "A=c", 1), nothing),
		job("env-last", hashed+"ENV Z=1\n", nothing),
		job("entrypoint", hashed+"ENTRYPOINT [\"/bin/sh\"]\n", nothing),
		job("user", hashed+"USER nobody\n", nothing),
		job("label", hashed+"LABEL a=b\n", nothing),
		job("base", strings.Replace(hashed, "BASE", other.Ref, 1), nothing),
		arg(job("used-argument", hashed, nothing), "USED", "2"),
	}
	hashes := w.hashes(t, append(append([]*plan.Job{}, same...), differ...)...)
	first := hashes["as-it-is"]
	if len(first) != 12 {
		t.Errorf("a hash is %q, want 12 digits", first)
	}
	for _, j := range same {
		if hashes[j.Name] != first {
			t.Errorf("%s changes the hash", j.Name)
		}
	}
	seen := map[string]string{first: "as-it-is"}
	for _, j := range differ {
		if other, known := seen[hashes[j.Name]]; known {
			t.Errorf("%s has the hash of %s", j.Name, other)
		}
		seen[hashes[j.Name]] = j.Name
	}
	// A mode that is given anew is that, one that is changed is not; and of other steps modes count.
	for flag, equal := range map[string]bool{"--chmod=644": true, "--chmod=0": true, "--chmod=g+w": false} {
		dockerfile := strings.Replace(hashed, "COPY one.txt", "COPY "+flag+" one.txt", 1)
		two := w.hashes(t, job("plain", dockerfile, nothing), job("executable", dockerfile, executable))
		if got := two["plain"] == two["executable"]; got != equal || two["plain"] == "" {
			t.Errorf("COPY %s of files with other modes has the same hash: %v, want %v", flag, got, equal)
		}
	}
	// Their own frontend tells the same, whichever of them it is asked about.
	syntax := "# syntax=docker/dockerfile:1\n" + hashed
	for round := range 2 {
		for name, hash := range w.hashes(t, job("syntax-a", syntax, nothing), job("syntax-b", syntax, nothing), job("syntax-c", syntax, nothing)) {
			if hash != first {
				t.Errorf("asked the %dth time, %s has the hash %s, want %s", round+1, name, hash, first)
			}
		}
	}
}

// hashes are those that the builder tells of jobs.
func (w world) hashes(t *testing.T, jobs ...*plan.Job) map[string]string {
	t.Helper()
	var mu sync.Mutex
	out := map[string]string{}
	err := w.b.GraphHashes(t.Context(), jobs, func(job *plan.Job, hash string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("%s: %s", job.Name, err)
		}
		out[job.Name] = hash
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A job whose link gives way to the image of a registry makes nothing of what the other has made.
func TestLinkThatIsAnImage(t *testing.T) {
	w := newWorld(t)
	maker := w.job(t, "maker", "FROM BASE\nRUN head -c 9 /dev/urandom > /made\nENV MADE=yes\n")
	maker.Tags = []string{w.registry.Host() + "/made/maker:1"}
	maker.Options.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"push": "true"}}}
	made, err := w.b.Build(t.Context(), nil, maker, io.Discard, builder.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	heir := w.job(t, "heir", "FROM base\nRUN test \"$MADE\" = yes && cp /made /kept\n")
	heir.Tags, heir.Options.Exports = []string{w.registry.Host() + "/made/heir:1"}, maker.Options.Exports
	heir.Links = map[string]*plan.Job{"maker": maker}
	heir.Options.Inputs.NamedContexts = map[string]build.NamedContext{"base": {Path: "target:maker"}}
	heir = heir.Relink(func(linked *plan.Job) plan.Stand { return plan.Stand{Image: linked.Tags[0] + "@" + made.Digest} })
	other := labtest.Buildkitd(t, w.registry)
	if w.b, err = builder.Connect(t.Context(), builder.Options{Names: []string{other.Addr()}, StateDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	defer w.b.Close()
	g := w.ask(t, heir)["heir"]
	if steps := slices.DeleteFunc(g.Vertices, func(v graph.Vertex) bool { return v.Kind != graph.Step }); len(steps) != 1 || len(g.Images) != 1 || g.Images[0].Digest != made.Digest {
		t.Errorf("the heir makes %v on %+v", steps, g.Images)
	}
	if _, err := w.b.Build(t.Context(), nil, heir, io.Discard, builder.Watch{}); err != nil {
		t.Fatal(err)
	}
	if made, kept := labtest.Files(t, maker.Tags[0])["/made"], labtest.Files(t, heir.Tags[0])["/kept"]; len(made.Content) == 0 || !slices.Equal(made.Content, kept.Content) {
		t.Errorf("the heir has %q, want %q", kept.Content, made.Content)
	}
}
