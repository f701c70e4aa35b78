package cli

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// bake runs stoker bake in the workbench's directory, with the usual flags and some more.
func (w *workbench) bake(ctx context.Context, more ...string) (code int, output string) {
	w.t.Helper()
	args := append([]string{"bake", "-f", w.path("docker-bake.hcl"), "--progress", "plain", "--builder", w.daemon.Addr(),
		"--output-dir", w.path("out"), "--state-dir", w.path("state"), "--retry-delay", "10ms", "--allow", "fs.read=" + w.dir}, more...)
	return runStoker(ctx, args...)
}

func TestBake(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("docker-bake.hcl", `
variable "VERSION" { default = "1" }
group "default" { targets = ["one", "two"] }
target "_all" {
  context = "`+w.path("ctx")+`"
  args = { BASE_IMAGE = "`+w.bases[0].Ref+`", BUILDER_IMAGE = "`+w.builder.Ref+`" }
}
target "one" {
  inherits = ["_all"]
  tags = ["`+w.registry.Host()+`/one:${VERSION}"]
}
target "two" {
  inherits = ["_all"]
  tags = ["`+w.registry.Host()+`/two:${VERSION}"]
}`)
	code, out := w.bake(t.Context(), "--push", "--var", "VERSION=2")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	var tags []string
	for _, e := range w.manifest() {
		if e.Status != ledger.Built {
			t.Errorf("%+v", e)
		}
		w.checkImage(e, w.bases[0])
		tags = append(tags, e.Tags...)
	}
	slices.Sort(tags)
	if want := []string{w.registry.Host() + "/one:2", w.registry.Host() + "/two:2"}; !slices.Equal(tags, want) {
		t.Errorf("tags %q, want %q", tags, want)
	}
}

// linkedFile is a bake file of a chain of targets below a matrix.
func (w *workbench) linkedFile(tally *lab.Tally, finals int) string {
	return fmt.Sprintf(`
variable "HOST" { default = "%s" }
group "all" { targets = ["final", "both"] }
target "shared" {
  context = "%s"
  dockerfile-inline = "FROM %s\nENV SHARED=yes\nCOPY agent.txt /agent.txt\nRUN %s && head -c 1000 /dev/urandom > /shared\n"
}
target "mid" {
  context = "%s"
  contexts = { base = "target:shared" }
  dockerfile-inline = "FROM base\nRUN %s && head -c 100 /dev/urandom > /mid && echo $SHARED > /said\n"
}
target "final" {
  name = "final-${n}"
  matrix = { n = range(%d) }
  contexts = { mid = "target:mid" }
  context = "%s"
  args = { N = n }
  dockerfile-inline = "FROM mid\nARG N\nCOPY other.txt /other.txt\nRUN echo $N > /n\n"
  tags = ["${HOST}/final:${n}"]
}
target "default" {
  context = "%[2]s"
  dockerfile-inline = "FROM scratch\nARG TARGETARCH\nCOPY agent.txt /agent.$${TARGETARCH}\n"
  platforms = ["linux/amd64", "linux/arm64"]
}
target "both" {
  context = "%[2]s"
  contexts = { below = "target:default" }
  dockerfile-inline = "FROM below\nCOPY agent.txt /above\n"
  platforms = ["linux/amd64", "linux/arm64"]
  tags = ["${HOST}/both:1"]
}
`, w.registry.Host(), w.path("ctx"), w.bases[0].Ref, tally.Report("shared"), w.path("mid"), tally.Report("mid"), finals, w.path("other"))
}

func TestBakeLinks(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	const finals = 30
	tally := labtest.Tally(t)
	w.write("docker-bake.hcl", w.linkedFile(tally, finals))
	w.write("mid/agent.txt", "not the agent\n")
	w.write("other/other.txt", "other\n")
	code, out := w.bake(t.Context(), "--push", "all")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if s := w.summary(); s.Built != finals+1 {
		t.Errorf("%d built, want %d\n%s", s.Built, finals+1, out)
	}
	if counts := tally.Counts(); counts["shared"] != 1 || counts["mid"] != 1 {
		t.Errorf("steps ran %v, want each once", counts)
	}
	var first map[string]lab.File
	for _, n := range []int{0, 1, finals / 2, finals - 1} {
		files, err := lab.Files(t.Context(), fmt.Sprintf("%s/final:%d", w.registry.Host(), n))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = files
		}
		for path, want := range map[string]string{
			"/shared": string(first["/shared"].Content), "/mid": string(first["/mid"].Content), "/said": "yes\n",
			"/n": fmt.Sprintln(n), "/agent.txt": "agent\n", "/other.txt": "other\n",
		} {
			if got := string(files[path].Content); got != want || got == "" {
				t.Errorf("final %d: file %s is %.80q, want %.80q", n, path, got, want)
			}
		}
	}
}
