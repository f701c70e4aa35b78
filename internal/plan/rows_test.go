package plan

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/jsonlines"
)

// jsonRows reads rows from lines of JSON.
func jsonRows(t *testing.T, lines ...string) rows.Input {
	t.Helper()
	in, err := rows.Collect("rows.jsonl", jsonlines.New(strings.NewReader(strings.Join(lines, "\n"))))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestTemplatesOverRows(t *testing.T) {
	row := `{"id":"x__y-1","n":11099,"v":3.10,"yes":true,"none":null,"deep":{"er":{"est":"z"}},"list":["p","q"],"big":12345678901234567890,"my-key":"k","nul":"a\u0000b","rows":[{"x":1}]}`
	tests := []struct{ template, want, says string }{
		{"plain", "plain", ""},
		{"{{.id}}", "x__y-1", ""},
		{"{{.Name}} {{.Index}} {{.n}} {{.v}} {{.yes}} {{.big}}", "x__y-1 0 11099 3.10 true 12345678901234567890", ""},
		{"{{.deep.er.est}}", "z", ""},
		{`{{.list | join ","}} {{index .list 1}} {{index . "my-key"}}`, "p,q q k", ""},
		{"{{add .n 1}} {{if gt .n 5}}more{{end}} {{.n | toString | trunc 2}}", "11100 more 11", ""},
		{`{{index . "nowhere" | default "d"}}`, "d", ""},
		{`{{index . "nowhere"}}`, "", `{{index . "nowhere"}}: a field in it is not there`},
		{`{{(index . "nowhere").x}}`, "", "there is no field"},
		{"{{.deep}}", "", "{{.deep}} is an object: take one of its fields, .deep.er"},
		{"{{toString .deep}}", "", "{{toString}} is an object: take one of its fields, er"},
		{`{{printf "%v" .deep}}`, "", "{{printf}} is an object: take one of its fields, er"},
		{`{{printf "%d" .Name}}`, "", `printf "%d" does not fit what it is given`},
		{"{{.deep.er}}", "", "{{.deep.er}} is an object: take one of its fields, .deep.er.est"},
		{"{{with .deep}}{{.}}{{end}}", "", "{{.}} is an object: take one of its fields, .er"},
		{"{{index .rows 0}}", "", "{{index .rows 0}} is an object: take one of its fields, x"},
		{"{{if .yes}}{{.list}}{{end}}", "", `{{.list}} is a list: take one of it, as in {{index .list 0}}, or make it one text, as in {{join "," .list}}`},
		{"{{index .list 7}}", "", "index out of range"},
		{"{{$d := .deep}}{{$d.er.est}}{{$d = .id}}{{$d}}", "zx__y-1", ""},
		{"{{.nul}}", "", "the result has a NUL character in it"},
		{"{{.id | sha1sum | trunc 12}}", "d28a56f24a1e", ""},
		{`{{.id | stokerCheck "x"}}`, "", `function "stokerCheck" not defined`},
		{"{{substr 5 2 .id}}", "", "out of range"},
		{"{{lower (index .rows 0)}}", "", "expected text; got an object"},
		{"{{.nowhere}}", "", "there is no field .nowhere"},
		{"{{.none}}", "", "there is no field .none"},
		{"{{.deep.nowhere}}", "", "there is no field .deep.nowhere"},
		{"{{.id.nowhere}}", "", "there is no field .id.nowhere"},
		{"{{lower .n}}", "", "expected text; got a number: .n is a number, of which toString makes a text"},
		{`{{.n}}{{.v | replace "." "-"}}`, "", "expected text; got a number: .v is a number, of which toString makes a text, as in {{.v | toString | ...}}"},
		{"{{.id", "", "unclosed action"},
		{"{{.DockerfileHash}}", "", "there is no field .DockerfileHash"},
	}
	s := spec(t, "FROM debian\nARG V\nRUN echo $V\n")
	for _, tt := range tests {
		t.Run(tt.template, func(t *testing.T) {
			s.BuildArgs = map[string]string{"V": tt.template}
			p, err := newPlan(t, s, jsonRows(t, row))
			wantInputError(t, err, tt.says)
			if err == nil && p.Jobs[0].Options.BuildArgs["V"] != tt.want {
				t.Errorf("got %q, want %q", p.Jobs[0].Options.BuildArgs["V"], tt.want)
			}
			if err != nil && goWords.MatchString(err.Error()) {
				t.Errorf("the error speaks Go: %v", err)
			}
		})
	}
}

// What only a reader of Go's sources understands.
var goWords = regexp.MustCompile(`interface \{\}|map\[|int64|reflect|runtime|plan\.|template:`)

// The tags that OpenHands/benchmarks gives to images of SWE-bench Pro: lower case, other characters
// than some as a dash, and of long ones the first 83 characters and 12 of a digest.
func TestTagsWithADigest(t *testing.T) {
	const template = `r.example/a:{{$t := regexReplaceAll "[^a-z0-9_.-]+" (lower .tag) "-"}}{{if gt (len $t) 96}}{{trunc 83 $t}}-{{sha1sum $t | trunc 12}}{{else}}{{$t}}{{end}}`
	long := strings.Repeat("Repo/Name_", 20)
	s := spec(t, "FROM debian\nARG V\nRUN echo $V\n", template)
	s.BuildArgs = map[string]string{"V": "{{.tag}}"}
	p, err := newPlan(t, s, jsonRows(t, fmt.Sprintf("{%q:%q}", "tag", "A/b:c"), fmt.Sprintf("{%q:%q}", "tag", long)))
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.ReplaceAll(strings.ToLower(long), "/", "-")
	want := fmt.Sprintf("r.example/a:%s-%x", whole[:83], sha1.Sum([]byte(whole)))
	if got := p.Jobs[0].Tags[0]; got != "r.example/a:a-b-c" {
		t.Errorf("of a short one: %s", got)
	}
	if got := p.Jobs[1].Tags[0]; got != want[:len("r.example/a:")+96] {
		t.Errorf("of a long one: %s, want %s", got, want)
	}
}

// A fault of several rows is told once, with the lines and what there is.
func TestUnknownFieldNamesTheLines(t *testing.T) {
	var lines []string
	for i := range 12 {
		lines = append(lines, fmt.Sprintf(`{"id":"%d"}`, i))
	}
	lines[1] = `{"id":"1","repo":"r"}`
	for field, says := range map[string][]string{
		"repo":  {`rows.jsonl: lines 1, 3, 4, 5, 6, 7, 8, 9 and 3 more: -t "r.example/a:{{.repo}}": there is no field .repo, which other rows have, such as line 2`},
		"other": {"rows.jsonl: lines 1, 2, 3, 4, 5, 6, 7, 8 and 4 more: ", "there is no field .other", "fields: .DockerfileHash .GitSHA .GraphHash .Index .Name .id"},
	} {
		s := spec(t, "FROM debian\nARG V\nRUN echo $V\n", "r.example/a:{{."+field+"}}")
		s.BuildArgs = map[string]string{"V": "{{.id}}"}
		_, err := newPlan(t, s, jsonRows(t, lines...))
		wantInputError(t, err, says...)
	}
}

// A row's own columns come before those that every row has.
func TestOwnColumnsWin(t *testing.T) {
	s := spec(t, "FROM debian\nARG V\nRUN echo $V\n", "r.example/{{.Index}}:{{.Name}}")
	s.BuildArgs = map[string]string{"V": "{{.id}}"}
	p, err := newPlan(t, s, jsonRows(t, `{"id":"a","Name":"own","Index":"mine"}`))
	if err != nil {
		t.Fatal(err)
	}
	if j := p.Jobs[0]; j.Name != "a" || j.Tags[0] != "r.example/mine:own" {
		t.Errorf("job %s with tags %q", j.Name, j.Tags)
	}
}

// Every templated flag reaches its place in the job, and every job is complete
// in itself.
func TestRowsMakeJobs(t *testing.T) {
	dir := files(t, map[string]string{
		"tasks/a/Dockerfile": "FROM debian AS one\nFROM debian AS two\n", "tasks/b/Dockerfile": "FROM alpine AS two\nARG V\n",
		"data/a/x": "", "data/b/x": "",
	})
	t.Chdir(dir)
	s := Spec{Context: "tasks/{{.id}}", Base: "{{.image}}", BaseArg: "BASE", TagTemplates: []string{"r.example/{{.id}}:{{.DockerfileHash}}"},
		BuildArgs: map[string]string{"V": "{{.v}}"}, PlainArgs: map[string]string{"ENV": "{{not a template}}"},
		Contexts: []string{"data=data/{{.id}}", "image=docker-image://mirror.example/{{.id}}"}, Labels: map[string]string{"hash": "{{.DockerfileHash}}"},
		Target: "{{.stage}}", Platforms: []string{"linux/{{.arch}}"}, BatchSize: 1}
	p, err := newPlan(t, s, jsonRows(t, `{"id":"a","image":"base:1","v":1,"stage":"one","arch":"arm64"}`, `{"id":"b","image":"","v":"2","stage":"two","arch":"amd64"}`))
	if err != nil {
		t.Fatal(err)
	}
	a, b := p.Jobs[0], p.Jobs[1]
	for _, tt := range []struct{ what, got, want string }{
		{"base", a.Base, "base:1"},
		{"context", a.Options.Inputs.ContextPath, "tasks/a"},
		{"Dockerfile", string(a.Source.Dockerfile()), "FROM debian AS one\nFROM debian AS two\n"},
		{"args", fmt.Sprint(a.Options.BuildArgs), "map[BASE:base:1 ENV:{{not a template}} V:1]"},
		{"args without a base", fmt.Sprint(b.Options.BuildArgs), "map[ENV:{{not a template}} V:2]"},
		{"context", a.Options.Inputs.NamedContexts["data"].Path, "data/a"},
		{"image context", b.Options.Inputs.NamedContexts["image"].Path, "docker-image://mirror.example/b"},
		{"label", a.Options.Labels["hash"], a.Hash},
		{"tag", a.Tags[0], "r.example/a:" + a.Hash},
		{"target", a.Options.Target, "one"},
		{"platform", a.Options.Platforms[0].Architecture, "arm64"},
		{"no base", b.Base, ""},
		{"registries", strings.Join(a.Registries(), " "), "docker.io mirror.example r.example"},
		{"registries without a base", strings.Join(b.Registries(), " "), "mirror.example r.example"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if a.Hash == b.Hash || a.Kind == b.Kind || a.Source == b.Source {
		t.Errorf("different jobs have the same hash, kind or source")
	}
}

func TestSourcesAndKindsAreShared(t *testing.T) {
	s := spec(t, "FROM debian\nARG V\nARG W\nRUN echo $V\n")
	s.BuildArgs = map[string]string{"V": "{{.id}}"}
	one, err := newPlan(t, s, jsonRows(t, `{"id":"a"}`, `{"id":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	a, b := one.Jobs[0], one.Jobs[1]
	if a.Source != b.Source || a.Kind != b.Kind || a.Hash == b.Hash || one.Kind() != a.Kind {
		t.Errorf("of one Dockerfile and other values: sources %p %p, kinds %s %s, hashes %s %s", a.Source, b.Source, a.Kind, b.Kind, a.Hash, b.Hash)
	}
	s.BuildArgs = map[string]string{"W": "{{.id}}"}
	other, err := newPlan(t, s, jsonRows(t, `{"id":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	if other.Jobs[0].Kind == a.Kind {
		t.Error("another argument is of the same kind")
	}
}

func TestRowsThatAreWrong(t *testing.T) {
	dir := files(t, map[string]string{
		"work/tasks/a/Dockerfile": "FROM debian AS a\n", "work/tasks/b/Dockerfile": "FROM debian AS b\n", "work/tasks/empty/x": "", "work/data/x": "",
		"outside/Dockerfile": "FROM debian\n", "outside/sub/x": "",
	})
	for link, to := range map[string]string{
		"tasks/link": "../../outside", "tasks/sub": "../../outside/sub", "tasks/empty/Dockerfile": "../../../outside/Dockerfile", "tasks/inner": "a",
	} {
		if err := os.Symlink(to, filepath.Join(dir, "work", link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(dir, "work"))
	perTask := func(s *Spec) { s.Context = "tasks/{{.id}}" }
	perFile := func(s *Spec) { s.File = "tasks/{{.id}}" }
	data := func(value string) func(*Spec) {
		return func(s *Spec) { s.Contexts = []string{"data=" + value} }
	}
	allowed := func(change func(*Spec)) func(*Spec) {
		return func(s *Spec) { change(s); s.AllowOutside = true }
	}
	const out = "outside of the working directory"
	tests := []struct {
		name   string
		rows   []string // ids
		change func(*Spec)
		says   []string
	}{
		{"good", []string{"a", "b", "inner"}, perTask, nil},
		{"no such directories", []string{"a", "x", "y"}, perTask, []string{"2 problems", `line 2: PATH: build context "tasks/x" is not a directory`, `line 3: PATH: build context "tasks/y"`}},
		{"no Dockerfile", []string{"../data"}, perTask, []string{`Dockerfile "data/Dockerfile" does not exist`}},
		{"the parent", []string{"../../outside"}, perTask, []string{"line 1: PATH", out, "--allow-outside"}},
		{"by a link", []string{"link"}, perTask, []string{out}},
		{"by a link and back", []string{"sub/.."}, perTask, []string{out}},
		{"a Dockerfile that is a link", []string{"empty"}, perTask, []string{"line 1: -f", out}},
		{"an absolute path", []string{dir + "/outside"}, func(s *Spec) { s.Context = "{{.id}}" }, []string{out}},
		{"outside, and allowed", []string{"link", "a"}, allowed(perTask), nil},
		{"a file", []string{"a/Dockerfile", "b/Dockerfile"}, perFile, nil},
		{"a file outside", []string{"link/Dockerfile", "../../outside/Dockerfile"}, perFile, []string{"line 1: -f", "line 2: -f", out}},
		{"a file outside by a context's link", []string{"empty/Dockerfile"}, perFile, []string{out}},
		{"standard input", []string{"-"}, func(s *Spec) { s.File = "{{.id}}" }, []string{"a row cannot ask for"}},
		{"a context", []string{"data"}, data("{{.id}}"), nil},
		{"no such context", []string{"none"}, data("{{.id}}"), []string{`--build-context data: "none" is not a directory`}},
		{"a context outside", []string{"../outside"}, data("{{.id}}"), []string{"--build-context data", out}},
		{"a layout outside", []string{"../outside"}, data("oci-layout://{{.id}}:v1"), []string{out}},
		{"an image", []string{"../x"}, data("docker-image://{{.id}}"), nil},
		{"a user's own path", []string{"a"}, func(s *Spec) { s.Context = dir + "/outside" }, nil},
		{"a user's own context", []string{"a"}, data(dir + "/outside"), nil},
		{"the same stage is missing in one", []string{"a", "b"}, func(s *Spec) { s.Context = "tasks/{{.id}}"; s.Target = "a" }, []string{`line 2: tasks/b/Dockerfile: no stage is named "a"`}},
		{"no base", []string{"not a reference"}, func(s *Spec) { s.Base = "{{.id}}" }, []string{"is no image reference"}},
		{"platform", []string{"a/b/c/d"}, func(s *Spec) { s.Platforms = []string{"{{.id}}"} }, []string{"--platform"}},
		{"the same tag", []string{"a", "b"}, func(s *Spec) { s.Context, s.TagTemplates = "tasks/{{.id}}", []string{"r.example/a"} }, []string{"-t: 2 jobs would get the tag r.example/a:latest: a, b"}},
		{"nothing differs", []string{"a", "b"}, func(s *Spec) { s.TagTemplates = []string{"r.example/a:{{.id}}"} }, []string{"every image would be the same"}},
		{"a blank base", []string{"a"}, func(s *Spec) { s.Context = filepath.Dir(writeBlank(t)) }, []string{"should not be blank", "--base"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Spec{Context: "tasks/a", BaseArg: "BASE_IMAGE"}
			tt.change(&s)
			var lines []string
			for _, id := range tt.rows {
				lines = append(lines, fmt.Sprintf("{%q:%q}", "id", id))
			}
			_, err := newPlan(t, s, jsonRows(t, lines...))
			wantInputError(t, err, tt.says...)
		})
	}
}

func writeBlank(t *testing.T) string {
	return filepath.Join(files(t, map[string]string{"Dockerfile": dockerfile}), "Dockerfile")
}

// A tag that is the base image, however it is written, is refused.
func TestTagIsBase(t *testing.T) {
	tests := []struct {
		base, tag string
		same      bool
	}{
		{"debian:12", "{{.Ref}}", true},
		{"debian", "docker.io/library/debian:latest", true},
		{"docker.io/debian:12@sha256:" + strings.Repeat("a", 64), "debian:12", true},
		{"debian@sha256:" + strings.Repeat("a", 64), "debian:latest", false},
		{"r.example/a/b:1", "r.example/a/b:2", false},
		{"r.example/a/b:1", "b:1", false},
	}
	for _, tt := range tests {
		_, err := newPlan(t, spec(t, dockerfile, "r.example/good:{{.Name}}", tt.tag), images(tt.base))
		says := ""
		if tt.same {
			says = "is the base image itself"
		}
		wantInputError(t, err, says)
	}
}

func TestRegistriesOfAJob(t *testing.T) {
	s := spec(t, dockerfile, "out.example/a:{{.Name}}")
	s.BuildArgs = map[string]string{"AGENT_VERSION": "3", "TOOLS": "tools.example/x:1"}
	p, err := newPlan(t, s, images("bases.example/one:1"))
	if err != nil {
		t.Fatal(err)
	}
	j := p.Jobs[0]
	if got := strings.Join(j.Registries(), " "); got != "bases.example out.example" {
		t.Errorf("registries %s", got)
	}
	j.Images = []string{"tools.example/x:1", "debian"}
	if got := strings.Join(j.Registries(), " "); got != "bases.example docker.io out.example tools.example" {
		t.Errorf("with what the build is known to read: %s", got)
	}
	if got := strings.Join(p.Registries(), " "); !strings.Contains(got, "tools.example") {
		t.Errorf("of the plan: %s", got)
	}
}
