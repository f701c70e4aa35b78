package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/buildx/build"
)

func TestDockerfileHash(t *testing.T) {
	hash := func(text string, change func(*Spec)) string {
		t.Helper()
		s := spec(t, text, "r.example/a:{{.DockerfileHash}}")
		change(&s)
		p, err := newPlan(t, s, images("debian"))
		if err != nil {
			t.Fatal(err)
		}
		return p.Jobs[0].Tags[0]
	}
	same := func(*Spec) {}
	base := hash(dockerfile, same)
	if again := hash(dockerfile, same); again != base {
		t.Errorf("the same Dockerfile hashes to %s and %s", base, again)
	}
	for name, other := range map[string]string{
		"another Dockerfile": hash(dockerfile+"RUN false\n", same),
		"another argument":   hash(dockerfile, func(s *Spec) { s.BuildArgs = map[string]string{"A": "1"} }),
		"another value":      hash(dockerfile, func(s *Spec) { s.BuildArgs = map[string]string{"A": "2"} }),
		"another split":      hash(dockerfile, func(s *Spec) { s.BuildArgs = map[string]string{"A1": ""} }),
		"another target":     hash(dockerfile, func(s *Spec) { s.Target = "main" }),
	} {
		if other == base {
			t.Errorf("%s does not change the hash", name)
		}
		base = other
	}
}

func TestGitSHA(t *testing.T) {
	s := spec(t, dockerfile, "r.example/a:{{.GitSHA | trunc 12}}")
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", s.Context, "-c", "user.name=t", "-c", "user.email=t@example"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "one")
	p, err := newPlan(t, s, images("debian"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "r.example/a:" + git("rev-parse", "HEAD")[:12]; p.Jobs[0].Tags[0] != want {
		t.Errorf("tag %s, want %s", p.Jobs[0].Tags[0], want)
	}
}

func TestReadSource(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ context, file, says string }{
		{"", "", "no build context"},
		{"-", "", "read only once"},
		{filepath.Join(dir, "none"), "", "not a directory"},
		{dir, "", "does not exist"},
		{dir, filepath.Join(dir, "none"), "does not exist"},
	} {
		var s sources
		if _, err := s.read(place{context: tt.context, file: tt.file}); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("context %q and file %q: error %v, want %q", tt.context, tt.file, err, tt.says)
		}
	}

	t.Chdir(filepath.Dir(dir))
	below := filepath.Join(filepath.Base(dir), "D2")
	write("D2", dockerfile)
	for _, context := range []string{dir, filepath.Base(dir)} {
		s := sources{words: flagWords}
		want := filepath.Join(context, "D2") + " is there: -f is relative to the working directory, as with docker buildx build"
		_, err := s.read(place{context: context, file: "D2"})
		wantInputError(t, err, `Dockerfile "D2" does not exist`, want)
	}
	var there sources
	if _, err := there.read(place{context: dir, file: below}); err != nil {
		t.Error(err)
	}

	path := write("agent.Dockerfile", dockerfile)
	write("agent.Dockerfile.dockerignore", "*.log\n")
	s := sources{words: flagWords, stdin: strings.NewReader(dockerfile)}
	source, err := s.read(place{context: dir, file: path})
	if err != nil {
		t.Fatal(err)
	}
	write("agent.Dockerfile", "FROM changed\n")
	staged := source.Inputs().DockerfilePath
	if got, err := os.ReadFile(staged); err != nil || string(got) != dockerfile {
		t.Errorf("a later change reaches the run: %q, %v", got, err)
	}
	if got, err := os.ReadFile(staged + ".dockerignore"); err != nil || string(got) != "*.log\n" {
		t.Errorf("the ignore file is %q, %v", got, err)
	}
	if again, err := s.read(place{context: dir, file: path}); err != nil || again != source {
		t.Errorf("the same place is read twice: %v", err)
	}
	for _, context := range []string{dir, t.TempDir()} {
		if source, err := s.read(place{context: context, file: "-"}); err != nil || string(source.Dockerfile()) != dockerfile {
			t.Errorf("from standard input: %v", err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(filepath.Dir(staged))); !os.IsNotExist(err) {
		t.Errorf("the plan's copies are still there: %v", err)
	}
}

// A patch names the file that is to be changed from the working directory, or from the root, and nothing where there is no file.
func TestPatched(t *testing.T) {
	dir := files(t, map[string]string{"work/agent/Dockerfile": "FROM scratch\n", "outside/Dockerfile": "FROM scratch\n"})
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("agent/Dockerfile", filepath.Join(dir, "work/link")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "work"))
	outside := strings.TrimPrefix(filepath.ToSlash(dir), "/") + "/outside/Dockerfile"
	for file, want := range map[string]string{"agent/Dockerfile": "agent/Dockerfile", "./agent/../link": "agent/Dockerfile", filepath.Join(dir, "work/link"): "agent/Dockerfile",
		"../outside/Dockerfile": outside, filepath.Join(dir, "outside/Dockerfile"): outside, "-": ""} {
		s := sources{words: flagWords, stdin: strings.NewReader("FROM scratch\n")}
		source, err := s.read(place{context: ".", file: file})
		if err != nil || source.Patched() != want {
			t.Errorf("%s is %q, want %q (%v)", file, source.Patched(), want, err)
		}
		_ = s.close()
	}
}

// A context that is not there is refused, also where the Dockerfile is not in it.
func TestContextOfTarget(t *testing.T) {
	o := build.Options{Inputs: build.Inputs{ContextPath: filepath.Join(t.TempDir(), "none"), DockerfileInline: "FROM scratch\n"}}
	_, err := OfTargets(TargetSpec{Name: "docker-bake.hcl"}, []Target{{Name: "app", Options: o}})
	if err == nil || !strings.HasPrefix(err.Error(), "docker-bake.hcl: target app: context: build context ") {
		t.Errorf("%v", err)
	}
	o.Inputs.ContextPath = t.TempDir()
	p, err := OfTargets(TargetSpec{}, []Target{{Name: "app", Options: o}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
