package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// addLine appends a line to /lines of whatever base image a job has.
const addLine = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG BASE_IMAGE\nRUN echo ${BASE_IMAGE##*/} >> /lines\n"

// lines reads /lines of an image.
func (w *workbench) lines(ref string) string {
	w.t.Helper()
	return strings.Join(strings.Fields(string(labtest.Files(w.t, ref)["/lines"].Content)), " ")
}

// made is the tag that a job of a name gets.
func (w *workbench) made(name string) string { return w.registry.Host() + "/agent/" + name + ":1" }

// An image that another job makes is built on after that job, on what that job has
// made, and not on what was there under its tag before.
func TestBaseOfAnotherJob(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"given", "shared"} {
		t.Run(order, func(t *testing.T) {
			w := newWorkbench(t, small(1, 2))
			w.write("ctx/Dockerfile", addLine)
			first, other := w.bases[0], w.bases[1]
			old := w.made(first.Name)
			if err := w.copyImage(other.Ref, old); err != nil {
				t.Fatal(err)
			}
			w.list(old, other.Ref, first.Ref)
			code, out := runStoker(t.Context(), "build", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"),
				"-t", w.registry.Host()+`/agent/{{.Name}}:{{if eq .Tag "1"}}second{{else}}1{{end}}`,
				"--push", "--force", "--order", order, "--workers", "3", "--progress", "plain", "--output-dir", w.path("out"),
				"--state-dir", w.path("state"), "--prune", "completed", w.path("ctx"))
			w.checkSwept(code, out, 3, 0)
			entries := w.manifest()
			at := func(base string) int {
				return slices.IndexFunc(entries, func(e ledger.Entry) bool { return e.BaseImage == base })
			}
			if at(first.Ref) < 0 || at(old) < at(first.Ref) {
				t.Fatalf("the image on %s ended as number %d, that on %s as number %d", old, at(old), first.Ref, at(first.Ref))
			}
			if got, want := w.lines(entries[at(old)].Tags[0]), fmt.Sprintf("%s:latest %s:1", first.Name, first.Name); got != want {
				t.Errorf("it has the lines %q, want %q", got, want)
			}
			w.checkSilent()
		})
	}
}

// Dockerfiles name other jobs' images, too: in FROM and in COPY --from. An argument that is no
// image there says nothing, whatever it names.
func TestDockerfileNamesAnotherJobsImage(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"nothing", "something"} {
		t.Run(before+" is there before", func(t *testing.T) {
			w := newWorkbench(t, small(1, 2))
			for id, dockerfile := range map[string]string{
				"a-last": "FROM " + w.made("b-base") + "\nCOPY --from=" + w.made("c-tool") + " /lines /tool\nRUN echo last >> /lines\nARG PEER\n",
				"b-base": "FROM " + w.bases[0].Ref + "\nRUN sleep 1 && echo base >> /lines\nARG PEER\nENV PEER=${PEER}\n",
				"c-tool": "FROM " + w.bases[0].Ref + "\nRUN sleep 1 && echo tool >> /lines\nARG PEER\nENV PEER=${PEER}\n",
			} {
				w.write("tasks/"+id+"/Dockerfile", dockerfile)
				if before == "something" && id != "a-last" {
					if err := w.copyImage(w.bases[1].Ref, w.made(id)); err != nil {
						t.Fatal(err)
					}
				}
			}
			peer := func(id, of string) string { return fmt.Sprintf(`{"id":%q,"peer":%q}`, id, of) }
			code, out := w.rows([]string{peer("a-last", "x"), peer("b-base", w.made("c-tool")), peer("c-tool", w.made("b-base"))}, "--force", "--workers", "3",
				"--prune", "completed", "--build-arg", "PEER={{.peer}}", "-t", w.registry.Host()+"/agent/{{.id}}:1", w.path("tasks/{{.id}}"))
			w.checkSwept(code, out, 3, 0)
			files := labtest.Files(t, w.made("a-last"))
			if got, tool := w.lines(w.made("a-last")), string(files["/tool"].Content); got != "base last" || tool != "tool\n" {
				t.Errorf("the image has the lines %q and the tool %q", got, tool)
			}
			w.checkSilent()
		})
	}
}

// What a job has made is kept for the jobs that are built on it: nothing of it is pulled,
// and no more is used than may be. So it is where the run stops in between.
func TestHeirsPullNothing(t *testing.T) {
	t.Parallel()
	const budget = 45 * mb
	w := newWorkbench(t, small(1, 4))
	var rows []string
	write := func(id, dockerfile string) {
		w.write("tasks/"+id+"/Dockerfile", dockerfile)
		rows = append(rows, fmt.Sprintf(`{"id":%q}`, id))
	}
	own := func(bytes int) string { return fmt.Sprintf("RUN head -c %d /dev/urandom > /own-%d\n", bytes, bytes) }
	for i, base := range w.bases {
		write(fmt.Sprintf("base-%d", i), "FROM "+base.Ref+"\nWORKDIR /work\n"+own(6*mb)+"RUN true\n"+[]string{"COPY", "COPY --link"}[i%2]+" Dockerfile .\n")
	}
	for i := range w.bases {
		for j := range 2 {
			write(fmt.Sprintf("heir-%d-%d", i, j), "FROM "+w.made(fmt.Sprintf("base-%d", i))+"\n"+own(2*mb+j))
		}
	}
	w.registry.Reset()
	hook := fmt.Sprintf(`[ -e %s ] || case $STOKER_IMAGE_NAME in heir-*) exit 1;; esac`, w.path("mended"))
	flags := []string{"--resume", "--workers", "2", "--cache-budget", fmt.Sprint(budget), "--retries", "0", "--max-failures", "0", "--post-build", hook,
		"-t", w.registry.Host() + "/agent/{{.id}}:1", w.path("tasks/{{.id}}")}
	if code, out := w.rows(rows, flags...); code != ExitFailed {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.write("mended", "")
	code, out := w.rows(rows, flags...)
	w.checkAllBuilt(code, out, len(rows))
	if strings.Contains(out, "not this run's") {
		t.Errorf("what it has made is called another's:\n%s", out)
	}
	gets, pulled := w.registry.Requests().BlobGets, w.pulled()
	if pulled == 0 {
		t.Error("no layer was pulled at all")
	}
	for i := range w.bases {
		for _, layer := range w.layers(w.made(fmt.Sprintf("base-%d", i)))[len(w.bases[i].Layers):] {
			if gets[layer] > 0 {
				t.Errorf("layer %s of base-%d was pulled %d times", layer, i, gets[layer])
			}
		}
	}
	if s := w.summary(); s.Cache.PeakBytes > budget || s.Prune.LiveRemovedRecords > 0 || s.Prune.ReclaimedBytes == 0 {
		t.Errorf("cache %+v, prune %+v, with a budget of %d", s.Cache, s.Prune, budget)
	}
	w.checkSilent()
}

// layers are the digests of an image's layers.
func (w *workbench) layers(ref string) (digests []string) {
	w.t.Helper()
	parsed, err := ggcr.ParseReference(ref)
	if err != nil {
		w.t.Fatal(err)
	}
	image, err := remote.Image(parsed)
	if err != nil {
		w.t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range manifest.Layers {
		digests = append(digests, l.Digest.String())
	}
	return digests
}

// Jobs that would be built on each other are refused before any is built; a job whose base
// failed is skipped, and says which one that was. Others are built.
func TestBasesThatNeverWillBe(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG FAIL\nRUN [ -z \"$FAIL\" ]\n")
	row := func(id, base, fail string) string {
		return fmt.Sprintf(`{"id":%q,"base":%q,"fail":%q}`, id, base, fail)
	}
	rows := []string{
		row("on-failed", w.made("failed"), ""), row("failed", w.bases[0].Ref, "yes"), row("good", w.bases[1].Ref, ""), row("on-good", w.made("good"), ""),
	}
	circle := []string{row("circle-1", w.made("circle-2"), ""), row("circle-2", w.made("circle-1"), ""), row("on-circle", w.made("circle-1"), "")}
	flags := []string{"--base", "{{.base}}", "--build-arg", "FAIL={{.fail}}", "-t", w.registry.Host() + "/agent/{{.id}}:1", "--retries", "0", "--order", "given", w.path("ctx")}
	code, out := w.rows(append(circle, rows...), flags...)
	if code != ExitUsage || !strings.Contains(out, "circle-1 is built on the image of circle-2, and circle-2 is built on the image of circle-1") {
		t.Errorf("a circle: exit code %d\n%s", code, out)
	}
	code, out = w.rows(rows, flags...)
	if s := w.summary(); code != ExitFailed || s.Built != 2 || s.Failed != 1 || s.SkippedDependency != 1 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, out)
	}
	says := map[string]string{"failed": "exit code: 1"}
	upon := map[string]string{"on-failed": "failed"}
	for _, e := range w.manifest() {
		if failed := upon[e.Name]; e.FailedDependency != failed || (failed != "") != (e.Status == ledger.SkippedDependency) {
			t.Errorf("entry %+v, want what is built on %q skipped", e, failed)
		}
		if want, fails := says[e.Name]; fails != (e.Status == ledger.Failed) || fails && !strings.Contains(*e.Error, want) {
			t.Errorf("entry %+v, error %v", e, e.Error)
		}
		if e.Name != "failed" && e.Status == ledger.Failed && e.AttemptCount != 0 {
			t.Errorf("%s was tried %d times", e.Name, e.AttemptCount)
		}
	}
}
