package plan

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/quick"
)

const dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS main\nRUN true\n"

// spec returns a usable spec over a Dockerfile.
func spec(t *testing.T, text string, templates ...string) Spec {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	source, err := ReadSource(dir, "", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return Spec{Source: source, BaseArg: "BASE_IMAGE", TagTemplates: templates, BatchSize: 2}
}

func images(refs ...string) []Image {
	var out []Image
	for i, ref := range refs {
		out = append(out, Image{Line: i + 1, Ref: ref})
	}
	return out
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
		p, err := New(spec(t, dockerfile, tt.template), images(strings.ToLower(ref)))
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
		{"r/a:{{.Nmae}}", "Nmae"},
		{"r/a:{{.Name", "unclosed action"},
		{"r/a:{{env \"HOME\"}}", `function "env" not defined`},
		{"r/a:{{readFile \"/etc/passwd\"}}", "not defined"},
		{"R/UPPER:{{.Name}}", "not a valid tag"},
		{"r/a:{{.Name}}:x", "not a valid tag"},
		{"r/a@sha256:" + strings.Repeat("a", 64), "has a digest"},
		{"r/a:{{printf \"%9999d\" 1}}", "longer than"},
		{"r/a:{{range 99999999999}}{{end}}", "not for tags"},
		{"r/a:{{if .Tag}}{{template \"tag\" .}}{{end}}", "not for tags"},
		{"{{define \"x\"}}{{end}}r/a", "not for tags"},
		{"r/a:{{.GitSHA}}", "not in a git work tree"},
	}
	for _, tt := range tests {
		_, err := New(spec(t, dockerfile, tt.template), images("r.example/some/image:1"))
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want an InputError that says %q", tt.template, err, tt.says)
		}
	}
}

func TestSameTagNamesBothImages(t *testing.T) {
	_, err := New(spec(t, dockerfile, "r.example/agent:{{.Tag}}"), images("a/one:1", "a/two:1", "a/three:2"))
	if err == nil || !strings.Contains(err.Error(), "a/one:1 and a/two:1") {
		t.Errorf("error %v does not name both", err)
	}
}

func TestDockerfileHash(t *testing.T) {
	hash := func(text string, change func(*Spec)) string {
		t.Helper()
		s := spec(t, text, "r.example/a:{{.DockerfileHash}}")
		change(&s)
		p, err := New(s, images("debian"))
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
		cmd := exec.Command("git", append([]string{"-C", s.Source.context, "-c", "user.name=t", "-c", "user.email=t@example"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "one")
	p, err := New(s, images("debian"))
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
		{"the base is not used", "FROM debian\n", nil, "never declares ARG BASE_IMAGE"},
		{"push without a tag", dockerfile, func(s *Spec) { s.Push = true }, "a tag is needed"},
		{"platform", dockerfile, func(s *Spec) { s.Platforms = []string{"a/b/c/d"} }, "--platform"},
		{"secret", dockerfile, func(s *Spec) { s.Secrets = []string{"id=x,src=/does/not/exist"} }, "--secret"},
		{"cache", dockerfile, func(s *Spec) { s.CacheTo = []string{"mode=max"} }, "--cache-to"},
		{"output", dockerfile, func(s *Spec) { s.Outputs = []string{"type=local"} }, "--output"},
		{"attestation", dockerfile, func(s *Spec) { s.Attests = []string{"mode=max"} }, "--provenance or --sbom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.dockerfile)
			if tt.change != nil {
				tt.change(&s)
			}
			_, err := New(s, images("debian"))
			var input *InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want an InputError that says %q", err, tt.says)
			}
		})
	}
}

func TestForeignSyntaxIsNotChecked(t *testing.T) {
	if _, err := New(spec(t, "# syntax=example.com/other\nMAKE it so\n"), images("debian")); err != nil {
		t.Error(err)
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
		if _, err := ReadSource(tt.context, tt.file, nil); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("ReadSource(%q, %q): error %v, want %q", tt.context, tt.file, err, tt.says)
		}
	}

	path := write("agent.Dockerfile", dockerfile)
	write("agent.Dockerfile.dockerignore", "*.log\n")
	s, err := ReadSource(dir, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	write("agent.Dockerfile", "FROM changed\n")
	staged := s.Inputs().DockerfilePath
	if got, err := os.ReadFile(staged); err != nil || string(got) != dockerfile {
		t.Errorf("a later change reaches the run: %q, %v", got, err)
	}
	if got, err := os.ReadFile(staged + ".dockerignore"); err != nil || string(got) != "*.log\n" {
		t.Errorf("the ignore file is %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(staged)); !os.IsNotExist(err) {
		t.Errorf("the run's copy is still there: %v", err)
	}

	fromStdin, err := ReadSource(dir, "-", strings.NewReader(dockerfile))
	if err != nil || string(fromStdin.Dockerfile()) != dockerfile {
		t.Errorf("from standard input: %v", err)
	}
	t.Cleanup(func() { _ = fromStdin.Close() })
}

func TestJobNames(t *testing.T) {
	p, err := New(spec(t, dockerfile), images("a/one:1", "b/one:1", "c/two", "d/three@sha256:"+strings.Repeat("b", 64)))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, j := range p.Jobs {
		names[j.Name] = true
	}
	if len(names) != 4 || !names["two"] || !names["three"] || names["one"] {
		t.Errorf("names %v", names)
	}
	if p.Batches() != 2 || p.Batch(1) != 1 || p.Batch(2) != 2 {
		t.Errorf("%d batches; job 2 in %d, job 3 in %d", p.Batches(), p.Batch(1), p.Batch(2))
	}
	if p.Limit(3); len(p.Jobs) != 3 {
		t.Errorf("limit leaves %d jobs", len(p.Jobs))
	}
}

// Names are unique where case does not count, and cannot leave a directory.
func TestJobNamesAreSafe(t *testing.T) {
	check := func(raw []string) bool {
		fields := make([]Fields, len(raw))
		for i, s := range raw {
			fields[i] = Fields{Name: s, Ref: s + string(rune('a'+i%26)) + strings.Repeat("x", i)}
		}
		seen := map[string]bool{}
		for _, n := range jobNames(fields) {
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
	if !check([]string{"..", "../../etc", "", "a\x00b", "con/..", "A", "a", strings.Repeat("long", 100)}) {
		t.Error("known bad names")
	}
}

func TestAttemptsDoNotShareOptions(t *testing.T) {
	s := spec(t, dockerfile, "r.example/a:{{.Name}}")
	s.Push = true
	p, err := New(s, images("one", "two"))
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
			fields, err := fieldsOf(img.Ref, 0)
			if err != nil {
				t.Fatalf("%q was accepted, but: %v", img.Ref, err)
			}
			if n := jobNames([]Fields{fields})[0]; n == "" || n != filepath.Base(n) || strings.HasPrefix(n, ".") {
				t.Fatalf("%q gets the name %q", img.Ref, n)
			}
		}
	})
}

func FuzzTagTemplate(f *testing.F) {
	for _, seed := range []string{"r/a:{{.Name}}", "{{range .}}", "{{.GitSHA}}", "{{printf \"%1000000d\" 1}}", "{{template \"tag\" .}}"} {
		f.Add(seed)
	}
	fields := Fields{Ref: "r.example/a/b:1", Name: "b", Tag: "1", gitSHA: func() (string, error) { return "abc", nil }}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := ParseTagTemplate(text)
		if err != nil {
			return
		}
		tag, err := tmpl.Tag(fields)
		if err != nil {
			return
		}
		if _, err := parseRef(tag); err != nil {
			t.Fatalf("template %q gives %q: %v", text, tag, err)
		}
	})
}
