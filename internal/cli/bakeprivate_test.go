package cli

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// Bake files and contexts of a repository that is private are read with a token or a header of the environment, and the
// secret goes no further. What is on this machine beside it is found as buildx finds it.
func TestBakePrivate(t *testing.T) {
	w := newWorkbench(t, small(1, 1))
	bake := w.bothBake() // before the directory is another: buildx is looked for from here
	w.write("repo/docker-bake.hcl", `
target "default" {
  tags = ["`+w.registry.Host()+`/private:1"]
}
target "part" {
  context = "app"
  tags = ["`+w.registry.Host()+`/part:1"]
}
target "here" {
  context = BAKE_CMD_CONTEXT
  contexts = { more = "cwd://more" }
  dockerfile-inline = "FROM scratch\nCOPY own /own\nCOPY --from=more own /more\n"
  tags = ["`+w.registry.Host()+`/here:1"]
}
target "file" {
  dockerfile = "cwd://Local"
  tags = ["`+w.registry.Host()+`/file:1"]
}
target "mixed" {
  context = "cwd://more"
}
`)
	w.write("repo/Dockerfile", "FROM scratch\nCOPY own /own\n")
	w.write("repo/own", "private\n")
	w.write("repo/app/Dockerfile", "FROM scratch\nCOPY own /own\n")
	w.write("repo/app/own", "part\n")
	w.write("here/own", "here\n")
	w.write("here/more/own", "more\n")
	w.write("here/more/Dockerfile", "FROM scratch\n")
	w.write("here/Local", "FROM scratch\nCOPY own /local\n")
	w.write("here/local.hcl", `target "default" { labels = { from = "here" } }`)
	w.commit()
	const token = "s3cret-of-the-repository"
	files := http.FileServer(http.Dir(w.dir))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if password != token && r.Header.Get("Authorization") != "Bearer "+token {
			rw.Header().Set("WWW-Authenticate", `Basic realm="repository"`)
			http.Error(rw, "no", http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	git := server.URL + "/repo.git#main"
	t.Chdir(w.path("here"))
	for _, tt := range []struct {
		variable, args string
		code           int
		says           string
	}{
		{"", git, ExitUsage, "BUILDX_BAKE_GIT_AUTH_TOKEN"},
		{"", "git@127.0.0.1:org/repo.git", ExitUsage, "BUILDX_BAKE_GIT_SSH"},
		{"BUILDX_BAKE_GIT_AUTH_TOKEN=wrong", git, ExitUsage, "to a token that may read it"},
		{"BUILDX_BAKE_GIT_AUTH_TOKEN=" + token, git + " mixed", ExitUsage, `dockerfile = "cwd://Dockerfile"`},
		{"BUILDX_BAKE_GIT_AUTH_TOKEN=" + token, "--push " + git + " default part here file", ExitOK, "4 built"},
		{"BUILDX_BAKE_GIT_AUTH_HEADER=Bearer " + token, "--push --force --no-cache " + git + " default part here file", ExitOK, "4 built"},
	} {
		name, value, _ := strings.Cut(tt.variable, "=")
		if name != "" {
			t.Setenv(name, value)
		}
		code, out := w.bakeWith(t.Context(), strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(out, tt.says) || strings.Contains(out, token) {
			t.Errorf("%s: exit code %d, want %q\n%s", tt.args, code, tt.says, out)
		}
		if name != "" {
			os.Unsetenv(name)
		}
	}
	for target, want := range map[string]map[string]string{"private": {"/own": "private\n"}, "part": {"/own": "part\n"}, "here": {"/own": "here\n", "/more": "more\n"}, "file": {"/local": "private\n"}} {
		files := labtest.Files(t, w.registry.Host()+"/"+target+":1")
		for path, content := range want {
			if got := string(files[path].Content); got != content {
				t.Errorf("%s has %s %q, want %q", target, path, got, content)
			}
		}
	}
	for _, secret := range []string{token, base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))} {
		w.shell(`! grep -rqF '` + secret + `' out state`)
	}
	t.Setenv("BUILDX_BAKE_GIT_AUTH_TOKEN", token)
	for _, args := range []string{"--print " + git + " default part here file", "--print -f docker-bake.hcl -f cwd://local.hcl " + git, "--print -f cwd://local.hcl -f docker-bake.hcl " + git,
		"--print -f cwd://local.hcl " + git, "--print " + git + " " + git + "other here", "--print -f cwd://local.hcl"} {
		if want, got, err := bake(args); err != nil || got != want {
			t.Errorf("%s prints\n%s\nbuildx prints\n%s\n%v", args, got, want, err)
		}
	}
}
