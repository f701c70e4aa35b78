package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// shell runs a command in the workbench's directory.
func (w *workbench) shell(command string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "sh", "-ec", command)
	cmd.Dir = w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// commit makes a git repository of the directory repo, and repo.git of it, as servers of files need it.
func (w *workbench) commit() {
	w.t.Helper()
	w.shell(`cd repo && git init -q -b main . && git add -A && git -c user.name=a -c user.email=a@b commit -qm one
		git clone -q --bare . ../repo.git && git -C ../repo.git update-server-info`)
}

// bothBake returns a function that has buildx and Stoker bake with the same arguments on the workbench's daemon, and
// returns what each prints, and how buildx failed.
func (w *workbench) bothBake(both ...string) func(args string) (want, got string, err error) {
	w.t.Helper()
	buildx, err := lab.FindBuildx()
	labtest.Made(w.t, "find buildx", err)
	w.shell("export BUILDX_CONFIG=" + w.path("bx") + "; " + buildx + " create --name same --driver remote " + w.daemon.Addr())
	return func(args string) (want, got string, err error) {
		all := append(slices.Clone(both), strings.Fields(args)...)
		cmd := exec.CommandContext(w.t.Context(), buildx, append([]string{"bake", "--builder", "same"}, all...)...)
		cmd.Env = append(os.Environ(), "BUILDX_CONFIG="+w.path("bx"))
		printed, err := cmd.Output()
		var out bytes.Buffer
		Main(w.t.Context(), "test", append([]string{"bake", "--builder", w.daemon.Addr(), "--state-dir", w.path("state")}, all...), Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard})
		return string(printed), out.String(), err
	}
}

// checkBakedArchive builds from bake files of an archive, whose contexts are the archive.
func (w *workbench) checkBakedArchive(archive string) {
	w.t.Helper()
	if code, out := w.bakeWith(w.t.Context(), "--push", archive, "whole", "inline"); code != ExitOK {
		w.t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, target := range []string{"whole", "inline"} {
		if got := string(labtest.Files(w.t, w.registry.Host()+"/"+target+":1")["/own"].Content); got != "whole\n" {
			w.t.Errorf("%s of the archive has /own %q", target, got)
		}
	}
}

// Bake files and the contexts of their targets come from a repository or an address; what they say can be asked about, and checked, without being built.
func TestBakeFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	server := httptest.NewServer(http.FileServer(http.Dir(w.dir)))
	t.Cleanup(server.Close)
	w.write("repo/docker-bake.hcl", `
group "default" { targets = ["whole", "part", "inline"] }
target "whole" {
  description = "all of it"
  tags = ["`+w.registry.Host()+`/whole:1"]
}
target "part" {
  context = "app"
  contexts = { more = "lib" }
  tags = ["`+w.registry.Host()+`/part:1"]
}
target "inline" {
  dockerfile-inline = "FROM scratch\nCOPY own /own\n"
  tags = ["`+w.registry.Host()+`/inline:1"]
}
target "told" {
  call = "outline"
  dockerfile-inline = "FROM scratch AS last\nARG WHAT=1\n"
}
target "below" {
  context = "lib"
  dockerfile-inline = "FROM `+w.bases[0].Ref+`\nRUN exit 3\n"
}
target "above" {
  context = "app"
  dockerfile = "Above"
  contexts = { below = "target:below" }
  output = ["type=cacheonly"]
}
`)
	w.write("repo/Dockerfile", "FROM scratch AS only\nCOPY own /own\n")
	w.write("repo/own", "whole\n")
	w.write("repo/app/Dockerfile", "from scratch\nCOPY own /own\nCOPY --from=more own /more\n")
	w.write("repo/app/Above", "FROM below\nRUN true\n")
	w.write("repo/app/own", "part\n")
	w.write("repo/lib/own", "lib\n")
	w.commit()
	w.shell(`cd repo && tar -czf ../repo.tar.gz * && tar -czf ../empty.tar.gz own`)
	archive := server.URL + "/repo.tar.gz"
	git := server.URL + "/repo.git#main"
	w.checkBakedArchive(archive)
	if code, out := w.bakeWith(t.Context(), "--push", "--force", git); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for target, want := range map[string]string{"whole": "whole\n", "part": "part\n", "inline": "whole\n"} {
		files := labtest.Files(t, w.registry.Host()+"/"+target+":1")
		if got := string(files["/own"].Content); got != want {
			t.Errorf("%s has /own %q, want %q", target, got, want)
		}
		if got := string(files["/more"].Content); target == "part" && got != "lib\n" {
			t.Errorf("/more is %q", got)
		}
	}
	for _, tt := range []struct {
		args string
		code int
		says []string
	}{
		{server.URL + "/nothing.git", ExitUsage, []string{"reading the bake files of", "/nothing.git: "}},
		{git + "nobranch", ExitUsage, []string{"repository does not contain ref mainnobranch"}},
		{archive, ExitUsage, []string{"target part: context, contexts: more: only the whole of an archive can be a context", "unpack the archive"}},
		{"-f none.hcl " + archive, ExitUsage, []string{"none.hcl: no such file"}},
		{server.URL + "/empty.tar.gz", ExitUsage, []string{"no bake file is there"}},
		{"--list targets " + archive, ExitOK, []string{"all of it"}},
		{"-f none.hcl " + git, ExitUsage, []string{"none.hcl", "repo.git"}},
		{"--check " + git, ExitFailed, []string{"reading the Dockerfiles of 3 jobs", "in 1 of 3 jobs: part"}},
		{"--call targets " + git + " whole", ExitOK, []string{"whole\nall of it\n\nTARGET", "only"}},
		{git + " told", ExitOK, []string{"told\n\nTARGET:", "WHAT"}},
		{"--check-only --push --format json " + git, ExitOK, []string{`"ok": true`}},
		{"--check-only --push --force --set whole.args.BUILDKIT_SYNTAX=" + w.registry.Host() + "/gone:1 " + git, ExitFailed, []string{"fault: ", "/gone:1"}},
		{"--retries 0 " + git + " above", ExitFailed, []string{"dockerfile-inline:2"}},
		{"-f " + w.path("repo/docker-bake.hcl"), ExitUsage, []string{"Dockerfile"}},
		{server.URL + "/repo/docker-bake.hcl --print inline", ExitOK, []string{`"context": "."`}},
	} {
		code, out := w.bakeWith(t.Context(), strings.Fields(tt.args)...)
		for _, says := range tt.says {
			if code != tt.code || !strings.Contains(out, says) {
				t.Errorf("%s: exit code %d, want %q\n%s", tt.args, code, says, out)
			}
		}
	}
	bake := w.bothBake("--allow", "fs.read="+w.dir)
	for _, args := range []string{"--print " + git, "--print --call check " + git + " part", "--call=check,format=json " + git + " whole", "--call outline " + git + " told whole", "--call targets " + git + " whole part"} {
		if want, got, _ := bake(args); got != want {
			t.Errorf("%s prints\n%s\nbuildx prints\n%s", args, got, want)
		}
	}
	code, out := w.bakeWith(t.Context(), "--call=check,format=json", git, "part")
	var document struct {
		Target map[string]struct {
			Build map[string]any
			Check struct{ Warnings []any }
		}
	}
	_, text, _ := strings.Cut(out, "1 job\n")
	if err := json.Unmarshal([]byte(text), &document); err != nil || code != ExitFailed || len(document.Target["part"].Check.Warnings) == 0 || document.Target["part"].Build["context"] != git+":app" {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
}
