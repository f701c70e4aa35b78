package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// bake runs stoker bake in the workbench's directory, with the usual flags and some more.
func (w *workbench) bake(ctx context.Context, more ...string) (code int, output string) {
	w.t.Helper()
	return w.bakeWith(ctx, append([]string{"-f", w.path("docker-bake.hcl")}, more...)...)
}

// bakeWith does the same with the bake files of the working directory, or those given.
func (w *workbench) bakeWith(ctx context.Context, more ...string) (code int, output string) {
	args := append([]string{"bake", "--progress", "plain", "--builder", w.daemon.Addr(),
		"--output-dir", w.path("out"), "--state-dir", w.path("state"), "--retry-delay", "10ms", "--allow", "fs.read=" + w.dir}, more...)
	return runStoker(ctx, args...)
}

// TestBake builds what a bake file makes of rows, and a service of a compose file.
func TestBake(t *testing.T) {
	t.Setenv("BAKE_TOKEN", "not-for-logs")
	w := newWorkbench(t, small(1, 1))
	w.write("tasks.jsonl", `{"id":"one","stars":3}`+"\n"+`{"id":"two","stars":5}`+"\n"+`{"id":"three","stars":1}`+"\n")
	w.write("docker-bake.hcl", `
variable "VERSION" { default = "1" }
variable "tasks" { type = list(object({ id = string, stars = number })) }
group "default" { targets = ["task", "web"] }
target "task" {
  name = "task-${task.id}"
  matrix = { task = tasks }
  context = "`+w.path("ctx")+`"
  dockerfile-inline = <<END
FROM `+w.bases[0].Ref+`
ARG STARS
RUN --mount=type=secret,id=token cat /run/secrets/token && echo $STARS > /stars
END
  args = { STARS = task.stars }
  secret = ["id=token,env=BAKE_TOKEN"]
  tags = ["`+w.registry.Host()+`/${task.id}:${VERSION}"]
}`)
	w.write("compose.yaml", `
services:
  web:
    image: `+w.registry.Host()+`/web:2
    build:
      context: `+w.path("ctx")+`
      args:
        BASE_IMAGE: `+w.bases[0].Ref+`
        BUILDER_IMAGE: `+w.builder.Ref+`
`)
	rows := []string{"-f", w.path("compose.yaml"), "--rows", w.path("tasks.jsonl"), "--rows-var", "tasks", "--where", "stars > 1", "--var", "VERSION=2"}
	code, out := w.bake(t.Context(), append(rows, "--check")...)
	if code != ExitFailed || !strings.Contains(out, "reading the Dockerfiles of 3 jobs") || !strings.Contains(out, "in 1 of 3 jobs: web") {
		t.Errorf("check: exit code %d\n%s", code, out)
	}
	code, out = w.bake(t.Context(), append(rows, "--plan")...)
	if code != ExitOK || !strings.Contains(out, "task-one") || !strings.Contains(out, "build will need --push") {
		t.Errorf("plan: exit code %d\n%s", code, out)
	}
	code, out = w.bake(t.Context(), append(rows, "--push", "--check-first", "--set", "web.args.BASE_IMAGE="+w.registry.Host()+"/gone:1")...)
	if code != ExitFailed || !strings.Contains(out, "/gone:1 does not exist") || !strings.Contains(out, "in 1 of 3 jobs: web") || !strings.Contains(out, "\nnothing was built") {
		t.Errorf("check first: exit code %d\n%s", code, out)
	}
	code, out = w.bake(t.Context(), append(rows, "--push", "--metadata-file", w.path("metadata.json"))...)
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	var metadata map[string]map[string]any
	if err := json.Unmarshal([]byte(w.read("metadata.json")), &metadata); err != nil {
		t.Fatal(err)
	}
	logs := ""
	var tags []string
	for _, e := range w.manifest() {
		if e.Status != ledger.Built || metadata[e.Name]["containerimage.digest"] != e.Digest {
			t.Errorf("entry %+v, metadata %v", e, metadata[e.Name])
		}
		log, err := os.ReadFile(*e.LogPath)
		if err != nil {
			t.Error(err)
		}
		logs += string(log)
		tags = append(tags, strings.TrimPrefix(e.Tags[0], w.registry.Host()+"/"))
	}
	slices.Sort(tags)
	if want := []string{"one:2", "two:2", "web:2"}; !slices.Equal(tags, want) {
		t.Errorf("tags %q, want %q", tags, want)
	}
	if strings.Contains(logs, "not-for-logs") || !strings.Contains(logs, "RUN --mount=type=secret") {
		t.Errorf("the logs have the secret, or nothing:\n%s", logs)
	}
	if files := labtest.Files(t, w.registry.Host()+"/two:2"); string(files["/stars"].Content) != "5\n" {
		t.Errorf("/stars is %q", files["/stars"].Content)
	}
}

// Flags of bake that make no sense, and names that are completed.
func TestBakeFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("docker-bake.hcl", []byte("target \"app\" {\n  dockerfile-inline = \"FROM scratch\\n\"\n}\ntarget \"_private\" {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"--print --list targets", "--print, --list and --plan print different things"},
		{"--list things", `--list "things": "things" is neither targets nor variables`},
		{"--call all", `--call "all": "all" is neither build nor check, outline or targets`},
		{"--format json", "--format is that of what --check-only prints"},
		{"--check --format json", "give --call check,format=json"},
		{"--check-only --format xml", `--format "xml": use text, json, markdown, junit or sarif`},
		{"--check-only --fail-on all", `--fail-on "all": use fault, warning or advice`},
		{"--fail-on advice", "--fail-on says when --check-only exits with 1: give both"},
		{"--rows x.jsonl", "--rows-var NAME is needed"},
		{"--rows-var x", "give the rows, with --rows FILE"},
		{"--limit 3", "name targets instead"},
		{"--var X", `--var "X": it must be NAME=VALUE`},
		{"--jobs 4", "did you mean --workers?"},
		{"app", "no output: nothing says where the images are to go\nadd --push"},
		{"app --push", "a tag is needed when pushing"},
		{"ap", `no target or group is named "ap"`},
	} {
		code, out := runStoker(t.Context(), append([]string{"bake"}, strings.Fields(tt.args)...)...)
		if code != ExitUsage || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit code %d, want %q\n%s", tt.args, code, tt.want, out)
		}
	}
	if code, out := runStoker(t.Context(), "__complete", "bake", ""); code != ExitOK || !strings.HasPrefix(out, "app\n:") {
		t.Errorf("exit code %d, completed to\n%s", code, out)
	}
	if code, out := runStoker(t.Context(), "bake", "--print", "app"); code != ExitOK || !strings.Contains(out, `"app": {`) {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// linkedFile is a bake file of a chain of targets below a matrix.
func (w *workbench) linkedFile(tally *lab.Tally, finals int) string {
	return fmt.Sprintf(`
variable "HOST" { default = "%s" }
group "all" { targets = ["final", "both", "pushed", "on-pushed"] }
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
target "anew" {
  dockerfile-inline = "FROM %[3]s\nRUN %[9]s && head -c 1000 /dev/urandom > /anew\n"
  no-cache = true
}
target "pushed" {
  contexts = { base = "target:anew" }
  dockerfile-inline = "FROM base\nRUN cp /anew /pushed\nCOPY --link --from=base /anew /linked\nRUN head -c 1000 /dev/urandom > /above\n"
  tags = ["${HOST}/pushed:1"]
}
target "on-pushed" {
  name = "on-pushed-${n}"
  matrix = { n = range(3) }
  contexts = { base = "target:anew", pushed = "target:pushed" }
  dockerfile-inline = "FROM pushed\nCOPY --from=base /anew /own\nRUN echo ${n} > /n\n"
  tags = ["${HOST}/on-pushed:${n}"]
}
target "both" {
  context = "%[2]s"
  contexts = { below = "target:default" }
  dockerfile-inline = "FROM below\nCOPY agent.txt /above\n"
  platforms = ["linux/amd64", "linux/arm64"]
  tags = ["${HOST}/both:1"]
}
`, w.registry.Host(), w.path("ctx"), w.bases[0].Ref, tally.Report("shared"), w.path("mid"), tally.Report("mid"), finals, w.path("other"), tally.Report("anew"))
}

func TestBakeLinks(t *testing.T) {
	t.Parallel()
	w := newWorkbenchOnDisk(t, small(1, 1))
	const finals = 12
	tally := labtest.Tally(t)
	w.write("docker-bake.hcl", w.linkedFile(tally, finals))
	w.write("mid/agent.txt", "not the agent\n")
	w.write("other/other.txt", "other\n")
	// What is made again may be so in the same moment: on a builder of others' one of it stays.
	code, out := w.bake(t.Context(), "--push", "--prune", "completed", "--exclusive", "all")
	w.checkSwept(code, out, finals+5, 0)
	if counts := tally.Counts(); counts["shared"] != 1 || counts["mid"] != 1 || counts["anew"] < 2 {
		t.Errorf("steps ran %v, want each once, and again what is made without the cache", counts)
	}
	pushed := w.layers(w.registry.Host() + "/pushed:1")
	for n := range 3 {
		if on := w.layers(fmt.Sprintf("%s/on-pushed:%d", w.registry.Host(), n)); !slices.Equal(on[:len(pushed)], pushed) {
			t.Errorf("on-pushed-%d stands on the layers %v, want %v", n, on, pushed)
		}
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

// A step that fails in what all are built on is one cause, with the target that it is of.
func TestBakeOneCause(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("docker-bake.hcl", `
target "lib" {
  dockerfile-inline = "FROM `+w.bases[0].Ref+`\nRUN true\nRUN false\n"
}
target "app" {
  name = "app-${n}"
  matrix = { n = ["0", "1", "2", "3", "4", "5"] }
  dockerfile-inline = "FROM lib\nRUN echo ${n}\n"
  contexts = { lib = "target:lib" }
  tags = ["`+w.registry.Host()+`/app:${n}"]
}
`)
	code, out := w.bake(t.Context(), "--push", "--retries-step", "0", "app")
	if code != ExitFailed || !strings.Contains(out, "\n  6 images: lib: dockerfile-inline:3: exit code: 1\n    RUN false\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
