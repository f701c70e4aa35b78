package plan

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stoker-build/stoker/internal/imageref"
)

const dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS main\nRUN true\n"

// spec returns a usable spec over a Dockerfile.
func spec(t *testing.T, text string, templates ...string) Spec {
	t.Helper()
	return Spec{Context: files(t, map[string]string{"Dockerfile": text}), BaseArg: "BASE_IMAGE", TagTemplates: templates, BatchSize: 2}
}

// files returns a directory with files of these texts.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func images(refs ...string) Input {
	var list []Image
	for i, ref := range refs {
		list = append(list, Image{Line: i + 1, Ref: ref})
	}
	rows, err := ImageRows(list)
	if err != nil {
		panic(err)
	}
	return Input{Name: "bases.txt", Rows: rows}
}

// newPlan is New with its cleanup registered.
func newPlan(t *testing.T, s Spec, in Input) (*Plan, error) {
	t.Helper()
	p, err := New(s, in)
	if err == nil {
		t.Cleanup(func() { _ = p.Close() })
	}
	return p, err
}

func TestReadImages(t *testing.T) {
	tests := []struct {
		name, text string
		refs       []string
		notes      int
		problems   []string // each must be in the error
	}{
		{"plain", "debian:12\nexample.com:5000/a/b@sha256:" + strings.Repeat("a", 64) + "\n",
			[]string{"debian:12", "example.com:5000/a/b@sha256:" + strings.Repeat("a", 64)}, 0, nil},
		{"comments and blanks", "\xef\xbb\xbf# all of them\n\n  debian:12  # the newest\r\n\talpine\n", []string{"debian:12", "alpine"}, 0, nil},
		{"duplicates", "debian\ndebian:latest\ndocker.io/library/debian\n", []string{"debian"}, 2, nil},
		{"no newline at the end", "debian:12", []string{"debian:12"}, 0, nil},
		{"every bad line", "debian:12\nDebian\n\ntwo words\na:b:c\n", nil, 0, []string{"3 problems", `line 2: "Debian"`, `line 4: "two words"`, `line 5: "a:b:c"`}},
		{"empty", "", nil, 0, []string{"no image references"}},
		{"only comments", "# nothing\n\n", nil, 0, []string{"no image references"}},
		{"a line that is far too long", strings.Repeat("a", maxLine+1), nil, 0, []string{"line 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, notes, err := ReadImages("bases.txt", strings.NewReader(tt.text))
			if len(tt.problems) > 0 {
				var input *InputError
				if !errors.As(err, &input) {
					t.Fatalf("error is %v, want an InputError", err)
				}
				for _, p := range tt.problems {
					if !strings.Contains(err.Error(), p) {
						t.Errorf("error %q does not say %q", err, p)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var refs []string
			for _, img := range got {
				refs = append(refs, img.Ref)
			}
			if strings.Join(refs, " ") != strings.Join(tt.refs, " ") || len(notes) != tt.notes {
				t.Errorf("got %q and notes %q, want %q and %d notes", refs, notes, tt.refs, tt.notes)
			}
		})
	}
}

func TestTagTemplates(t *testing.T) {
	ref := "Registry.example:5000/swebench/sweb.eval.x86_64.django_1776_django-11099:v2"
	tests := []struct{ template, want string }{
		{"r.example/agent:{{.Name}}", "r.example/agent:sweb.eval.x86_64.django_1776_django-11099"},
		{"r.example/agent", "r.example/agent:latest"},
		{"agent:{{.Tag}}-{{.Index}}", "docker.io/library/agent:v2-0"},
		{"r.example/{{.Name | replace \"_\" \"-\" | trunc 9}}:{{.Tag | upper}}", "r.example/sweb.eval:V2"},
		{"r.example/a:{{.Ref | slug}}", "r.example/a:registry-example-5000-swebench-sweb-eval-x86-64-django-1776-django-11099-v2"},
		{"r.example/a:{{.Repo | splitList \"/\" | first | slug}}", "r.example/a:registry-example-5000"},
	}
	for _, tt := range tests {
		p, err := newPlan(t, spec(t, dockerfile, tt.template), images(strings.ToLower(ref)))
		if err != nil {
			t.Errorf("%s: %v", tt.template, err)
			continue
		}
		if got := p.Jobs[0].Tags[0]; got != tt.want {
			t.Errorf("%s gives %s, want %s", tt.template, got, tt.want)
		}
	}
}

func TestBadTagTemplates(t *testing.T) {
	tests := []struct{ template, says string }{
		{"r/a:{{.Nmae}}", "there is no field .Nmae; did you mean .Name?"},
		{"r/a:{{.name}}", "there is no field .name; did you mean .Name?"},
		{"r/a:{{.other}}", "there is no field .other\n"},
		{"r/a:{{.Name", "unclosed action"},
		{"r/a:{{.Name", "a }} is missing"},
		{"r/a:{{.Name}", "a }} is missing"},
		{"r/a:{{.Name}-{{.Tag}}", "a }} is missing"},
		{"r/a:{{env \"HOME\"}}", `function "env" not defined`},
		{"r/a:{{readFile \"/etc/passwd\"}}", "not defined"},
		{"R/UPPER:{{.Name}}", "not a valid tag"},
		{"r/a:{{.Name}}:x", "not a valid tag"},
		{"r/a@sha256:" + strings.Repeat("a", 64), "has a digest"},
		{"r/a:{{printf \"%99999d\" 1}}", "longer than"},
		{"r/a:{{range 99999999999}}{{end}}", "not for templates"},
		{"r/a:{{if .Tag}}{{template \"tag\" .}}{{end}}", "not for templates"},
		{"r/a:{{with .Tag}}{{else}}{{template \"tag\" .}}{{end}}", "not for templates"},
		{"{{define \"x\"}}{{end}}r/a", "not for templates"},
		{"r/a:{{.GitSHA}}", "not in a git work tree"},
	}
	for _, tt := range tests {
		_, err := newPlan(t, spec(t, dockerfile, tt.template), images("r.example/some/image:1"))
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want an InputError that says %q", tt.template, err, tt.says)
		}
	}
}

func TestSameTagNamesBothJobs(t *testing.T) {
	_, err := newPlan(t, spec(t, dockerfile, "r.example/agent:{{.Tag}}"), images("a/one:1", "a/two:1", "a/three:2"))
	wantInputError(t, err, "-t: 2 jobs would get the tag r.example/agent:1: one, two")
}

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

func TestBadSpecs(t *testing.T) {
	tests := []struct {
		name, dockerfile string
		change           func(*Spec)
		says             string
	}{
		{"no such stage", dockerfile, func(s *Spec) { s.Target = "release" }, `no stage is named "release"`},
		{"unknown instruction", "FORM debian\n", nil, "unknown instruction"},
		{"no stages", "ARG BASE_IMAGE\n", nil, "no stages"},
		{"push without a tag", dockerfile, func(s *Spec) { s.Push = true }, "a tag is needed"},
		{"platform", dockerfile, func(s *Spec) { s.Platforms = []string{"a/b/c/d"} }, "--platform"},
		{"secret", dockerfile, func(s *Spec) { s.Secrets = []string{"id=x,src=/does/not/exist"} }, "--secret"},
		{"cache", dockerfile, func(s *Spec) { s.CacheTo = []string{"mode=max"} }, "--cache-to"},
		{"output", dockerfile, func(s *Spec) { s.Outputs = []string{"type=local"} }, "--output"},
		{"limit", dockerfile, func(s *Spec) { s.Ulimits = []string{"nofile=a"} }, `--ulimit: "nofile=a" is not TYPE=SOFT[:HARD]`},
		{"resource", dockerfile, func(s *Spec) { s.Resources = []string{"memory=1g", "cpu-quota=x"} }, `--resource: "cpu-quota=x" is not KEY=VALUE`},
		{"memory", dockerfile, func(s *Spec) { s.ShmSize = "x" }, `--shm-size: "x" is not a size`},
		{"network", dockerfile, func(s *Spec) { s.NetworkMode = "bridge" }, `--network: "bridge" is not default, host or none`},
		{"host", dockerfile, func(s *Spec) { s.ExtraHosts = []string{"a=10.0.0.1", "db"} }, `--add-host: "db" is not a host and its address`},
		{"attestation", dockerfile, func(s *Spec) { s.Attests = []string{"mode=max"} }, "--attest, --provenance or --sbom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.dockerfile)
			if tt.change != nil {
				tt.change(&s)
			}
			_, err := newPlan(t, s, images("debian"))
			var input *InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want an InputError that says %q", err, tt.says)
			}
		})
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
		var s sources
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
	s := sources{stdin: strings.NewReader(dockerfile)}
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

func TestJobNames(t *testing.T) {
	names := func(refs ...string) []string {
		t.Helper()
		p, err := newPlan(t, spec(t, dockerfile), images(refs...))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, j := range p.Jobs {
			names = append(names, j.Name)
		}
		return names
	}
	got := names("a/one:1", "b/one:1", "c/two", "d/three@sha256:"+strings.Repeat("b", 64))
	if got[0] != "one" || !strings.HasPrefix(got[1], "one-") || got[2] != "two" || got[3] != "three" {
		t.Errorf("names %q", got)
	}
	// What is added at the end changes no name, nor does the order of the rest.
	if more := names("a/one:1", "c/two", "b/one:1", "a/one:2", "c/two:3"); more[0] != "one" || more[1] != "two" || more[2] != got[1] {
		t.Errorf("names %q become %q", got, more)
	}
}

func TestBatchesAndOrder(t *testing.T) {
	p, err := newPlan(t, spec(t, dockerfile), images("a", "b", "c", "d"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Batches() != 2 || p.Batch(1) != 1 || p.Batch(2) != 2 {
		t.Errorf("%d batches; job 2 in %d, job 3 in %d", p.Batches(), p.Batch(1), p.Batch(2))
	}
	p.Reorder([]int{2, 0, 3, 1})
	var order string
	for _, j := range p.Jobs {
		order += j.Name
	}
	if order != "cadb" {
		t.Errorf("order %s", order)
	}
	if p.limit(3); len(p.Jobs) != 3 || p.Batches() != 2 {
		t.Errorf("limit leaves %d jobs in %d batches", len(p.Jobs), p.Batches())
	}
}

// Names are unique where case does not count, and cannot leave a directory.
func TestJobNamesAreSafe(t *testing.T) {
	check := func(raw []string) bool {
		rows := make([]Row, len(raw))
		for i, s := range raw {
			rows[i] = Row{name: s, whole: s}
		}
		seen := map[string]bool{}
		for _, n := range jobNames(rows) {
			if n == "" || len(n) > maxName || n != filepath.Base(n) || n[0] == '.' || notInName.MatchString(n) || seen[strings.ToLower(n)] {
				t.Logf("name %q of %q", n, raw)
				return false
			}
			seen[strings.ToLower(n)] = true
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	long := strings.Repeat("long", 100)
	if !check([]string{"..", "../../etc", "", "", "a\x00b", "con/..", "A", "a", "a", "a-" + shortHash("a"), long, long, long + "x"}) {
		t.Error("known bad names")
	}
}

func TestAttemptsDoNotShareOptions(t *testing.T) {
	s := spec(t, dockerfile, "r.example/a:{{.Name}}")
	s.Push = true
	p, err := newPlan(t, s, images("one", "two"))
	if err != nil {
		t.Fatal(err)
	}
	first := p.Jobs[0].BuildOptions()
	first.BuildArgs["BASE_IMAGE"] = "changed"
	first.Exports[0].Attrs["name"] = "changed"
	first.Tags[0] = "changed"
	for _, j := range p.Jobs {
		o := j.BuildOptions()
		if o.BuildArgs["BASE_IMAGE"] != j.Base || o.Exports[0].Attrs["name"] == "changed" || o.Tags[0] == "changed" {
			t.Errorf("%s: options %v %v %v", j.Name, o.BuildArgs, o.Exports[0].Attrs, o.Tags)
		}
	}
}

func FuzzReadImages(f *testing.F) {
	for _, seed := range []string{"debian:12\n", "\xef\xbb\xbf#x\n\na b\n", "a@sha256:" + strings.Repeat("0", 64), "::\n/../..\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, _, err := ReadImages("f", strings.NewReader(text))
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%d images and error %v", len(got), err)
		}
		for _, img := range got {
			rows, err := ImageRows([]Image{img})
			if err != nil {
				t.Fatalf("%q was accepted, but: %v", img.Ref, err)
			}
			if n := jobNames(rows)[0]; n == "" || n != filepath.Base(n) || strings.HasPrefix(n, ".") {
				t.Fatalf("%q gets the name %q", img.Ref, n)
			}
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"r/a:{{.Name}}", "{{range .}}", "{{.GitSHA}}", "{{printf \"%1000000d\" 1}}", "{{template \"-t\" .}}",
		"{{with .deep}}{{.Name}}{{else if .n}}{{$.l}}{{end}}", "{{(index .l 0).x}}"} {
		f.Add(seed)
	}
	columns := map[string]any{"Name": "b", "n": int64(1), "l": []any{"x"}, "deep": map[string]any{"Name": true}}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := parseTemplate("-t", text)
		if err != nil {
			return
		}
		tmpl.uses("Name")
		tag, err := tmpl.tag(columns)
		if err != nil {
			return
		}
		if _, err := imageref.Parse(tag); err != nil {
			t.Fatalf("template %q gives %q: %v", text, tag, err)
		}
	})
}
