package bake

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/jsonlines"
)

// shapes are bake files of the kinds that people write, and how bake is called on them.
var shapes = map[string]struct {
	files map[string]string
	args  []string // as docker buildx bake takes them
}{
	"functions": {files: map[string]string{"docker-bake.hcl": `
variable "TAG" { default = "latest" }
variable "REPO" { default = "registry.example/team" }
function "tag" {
  params = [name]
  result = ["${REPO}/${name}:${TAG}", notequal("latest", TAG) ? "${REPO}/${name}:latest" : ""]
}
target "default" {
  tags = tag("app")
  labels = { "made.by" = upper("me"), "sum" = sha256("x"), "sub" = regex_replace("a_b", "_", "-") }
  args = { N = length(split(",", "a,b,c")), T = title("word"), ID = BAKE_LOCAL_PLATFORM }
}`}, args: []string{"--var", "TAG=1.2"}},
	"of the working directory": {files: map[string]string{"app.hcl": `
target "default" {
  context = "cwd://app"
  contexts = { more = "cwd://more", all = BAKE_CMD_CONTEXT }
  dockerfile = "cwd://app/Other"
}
target "whole" {
  context = BAKE_CMD_CONTEXT
}`, "more.hcl": `target "default" { args = { A = "1" } }`}, args: []string{"-f", "cwd://app.hcl", "-f", "more.hcl", "default", "whole"}},
	"typed variables": {files: map[string]string{"docker-bake.hcl": `
variable "count" {
  type = number
  default = 2
}
variable "debug" {
  type = bool
  default = false
}
variable "names" {
  type = list(string)
  default = ["a"]
}
variable "app" {
  type = object({ name = string, port = number })
  default = { name = "x", port = 80 }
}
target "default" {
  args = { COUNT = count + 1, DEBUG = debug, NAMES = join(" ", names), APP = "${app.name}:${app.port}" }
}`}, args: []string{"--var", "count=5", "--var", "debug=true", "--var", "names=x,y", "--var", `app_JSON={"name":"y","port":81}`}},
	"inheritance": {files: map[string]string{"docker-bake.hcl": `
target "_common" {
  args = { A = "1", B = "2" }
  labels = { l = "x" }
  platforms = ["linux/amd64"]
}
target "_more" {
  args = { B = "3" }
  no-cache = true
}
target "app" {
  inherits = ["_common", "_more"]
  args = { C = "4" }
  tags = ["app"]
}
target "worker" {
  inherits = ["app"]
  dockerfile = "worker.Dockerfile"
  target = "run"
}`}, args: []string{"worker"}},
	// Of several keys buildx gives the targets of a group in any order.
	"matrix": {files: map[string]string{"docker-bake.hcl": `
target "app" {
  name = "app-${tgt}-${replace(item.version, ".", "-")}"
  matrix = { tgt = ["build"], item = [{ version = "1.0", os = "a" }, { version = "2.0", os = "b" }] }
  args = { VERSION = item.version, OS = item.os }
  target = tgt
  tags = ["registry.example/app:${tgt}-${item.version}"]
}`}, args: []string{"app"}},
	"groups": {files: map[string]string{"docker-bake.hcl": `
group "default" { targets = ["services", "tools"] }
group "services" { targets = ["a", "b"] }
group "tools" { targets = ["c"] }
target "a" { context = "a" }
target "b" {
  context = "b"
  contexts = { base = "target:a", src = "docker-image://alpine" }
}
target "c" { dockerfile-inline = "FROM scratch\n" }`}, args: []string{"--set", "*.platform=linux/amd64,linux/arm64"}},
	"compose": {files: map[string]string{"compose.yaml": `
services:
  web:
    image: registry.example/web:${TAG:-dev}
    build:
      context: ./web
      dockerfile: web.Dockerfile
      args:
        VERSION: "1"
      labels:
        a: b
      target: run
      cache_from:
        - registry.example/web:cache
      x-bake:
        platforms:
          - linux/amd64
        tags:
          - registry.example/web:extra
  db:
    image: postgres
  worker.one:
    build: ./worker
`}},
	"overrides": {files: map[string]string{"docker-bake.hcl": `
group "default" { targets = ["one", "two"] }
target "one" {
  tags = ["one"]
  args = { A = "1" }
  secret = ["id=token,env=TOKEN"]
}
target "two" {
  output = ["type=image,name=two"]
  cache-from = ["type=registry,ref=registry.example/cache"]
  cache-to = ["type=inline"]
}`},
		args: []string{"--set", "one.args.A=2", "--set", "*.labels.x=y", "--set", "t*.tags=registry.example/two:1", "--set", "one.tags+=more",
			"--set", "one.secret+=id=more,env=MORE", "--set", "two.secrets=id=other,env=OTHER",
			"--push", "--no-cache", "--pull", "--sbom=true", "--provenance=mode=max"}},
	"json": {files: map[string]string{"docker-bake.json": `{
  "variable": {"V": {"default": "7"}},
  "group": {"default": {"targets": ["app"]}},
  "target": {"app": {"dockerfile": "D", "tags": ["app:${V}"], "args": {"V": "${V}", "NONE": null}, "ulimits": ["nofile=1024:1024"], "shm-size": "64m"}}
}`}, args: []string{"--load"}},
	"several files": {files: map[string]string{
		"a.hcl":  "variable \"V\" { default = \"1\" }\ntarget \"app\" {\n args = { V = V }\n tags = [\"app:${V}\"]\n}",
		"b.hcl":  "variable \"V\" { default = \"2\" }\ntarget \"app\" { args = { MORE = \"yes\" } }",
		"c.json": `{"target": {"app": {"labels": {"from": "json"}}, "other": {"inherits": ["app"]}}}`,
	}, args: []string{"-f", "a.hcl", "-f", "b.hcl", "-f", "c.json", "app", "o*"}},
	"override file": {files: map[string]string{
		"docker-bake.hcl":          "target \"default\" {\n tags = [\"a\"]\n entitlements = [\"network.host\"]\n network = \"host\" \n extra-hosts = { db = \"10.0.0.2\" } \n annotations = [\"a=b\"]\n}",
		"docker-bake.override.hcl": "target \"default\" {\n tags = [\"b\"]\n attest = [\"type=provenance,mode=min\"]\n description = \"the app\"\n}",
		"compose.yml":              "services:\n  side:\n    build: .\n",
	}, args: []string{"default", "side"}},
}

// questionOf reads the arguments of docker buildx bake as a question.
func questionOf(args []string) (q Question) {
	q.Vars = map[string]string{}
	short := map[string]string{"--push": "*.push=true", "--load": "*.load=true", "--no-cache": "*.no-cache=true", "--pull": "*.pull=true",
		"--sbom=true": "*.attest=type=sbom", "--provenance=mode=max": "*.attest=type=provenance,mode=max"}
	var last []string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-f":
			i++
			q.Files = append(q.Files, args[i])
		case arg == "--var":
			i++
			name, value, _ := strings.Cut(args[i], "=")
			q.Vars[name] = value
		case arg == "--set":
			i++
			q.Overrides = append(q.Overrides, args[i])
		case short[arg] != "":
			last = append(last, short[arg])
		default:
			q.Targets = append(q.Targets, arg)
		}
	}
	q.Overrides = append(q.Overrides, last...)
	return q
}

// write writes files into a directory and goes there.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func resolve(t *testing.T, q Question) (*Resolved, error) {
	t.Helper()
	d, err := Read(t.Context(), q)
	if err != nil {
		return nil, err
	}
	return d.Resolve(t.Context())
}

// TestPrint holds what is printed of each shape against what docker buildx bake prints.
func TestPrint(t *testing.T) {
	buildx, err := lab.FindBuildx()
	labtest.Made(t, "find buildx", err)
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			write(t, shape.files)
			for _, more := range [][]string{{"--print"}, {"--list", "targets"}, {"--list", "variables"}, {"--list", "type=targets,format=json"}, {"--list", "type=variables,format=json"}} {
				cmd := exec.CommandContext(t.Context(), buildx, append(append([]string{"bake"}, shape.args...), more...)...)
				var failure bytes.Buffer
				cmd.Stderr = &failure
				want, err := cmd.Output()
				if err != nil {
					t.Fatalf("buildx: %v\n%s", err, &failure)
				}
				if got := printed(t, questionOf(shape.args), more); got != string(want) {
					t.Errorf("%s prints\n%s\nbuildx prints\n%s", more, got, want)
				}
			}
		})
	}
}

// printed is what is printed of a question.
func printed(t *testing.T, q Question, how []string) string {
	t.Helper()
	d, err := Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if how[0] == "--list" {
		list, err := ParseList(how[1])
		if err == nil {
			err = d.List(&out, list)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	r, err := d.Resolve(t.Context())
	if err == nil {
		err = r.Print(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// readRows reads rows of JSON Lines.
func readRows(t *testing.T, text string) rows.Input {
	t.Helper()
	in, err := rows.Collect("tasks.jsonl", jsonlines.New(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

const rowsFile = `
variable "tasks" { type = TYPE }
group "default" { targets = ["task"] }
target "task" {
  name = "task-${task.id}"
  matrix = { task = tasks }
  dockerfile-inline = "FROM scratch\n"
  args = { VALUE = task.value }
  tags = ["registry.example/task:${task.id}"]
  output = ["type=cacheonly"]
}
`

func TestRows(t *testing.T) {
	const two = `{"id":"a","value":"1","more":[1]}` + "\n" + `{"id":"b","value":2}` + "\n"
	for name, tt := range map[string]struct {
		kind, rows, variable string
		want                 string // the arguments of all jobs, or what the error says
	}{
		"objects":           {"list(object({ id = string, value = string }))", two, "tasks", "task-a=1 task-b=2"},
		"numbers":           {"list(object({ id = string, value = number }))", two, "tasks", "task-a=1 task-b=2"},
		"maps":              {"list(map(string))", two, "tasks", "task-a=1 task-b=2"},
		"anything":          {"list(any)", two, "tasks", `the variable "tasks" is list(any): bake has no way to fill any`},
		"a null":            {"list(object({ id = string, value = string }))", `{"id":"a","value":"1"}` + "\n" + `{"id":"b","value":null}`, "tasks", "task-a=1 task-b="},
		"nested as JSON":    {"list(map(string))", `{"id":"a","value":[1,"x"]}`, "tasks", `task-a=[1,"x"]`},
		"no such column":    {"list(object({ id = string, value = string, valve = string }))", two, "tasks", `tasks.jsonl: no row has a column "valve", which the variable "tasks" of docker-bake.hcl does; did you mean value?`},
		"optional":          {"list(object({ id = string, value = string, wrapped = optional(bool) }))", two, "tasks", "task-a=1 task-b=2"},
		"another type":      {"list(object({ id = string, value = number }))", two + `{"id":"c","value":"many"}`, "tasks", `tasks.jsonl: line 3: column value: "many" is not number`},
		"a text for a list": {"list(object({ id = string, value = list(string) }))", `{"id":"a","value":"[1]"}`, "tasks", `line 1: column value: the text [1] is not list(string): declare the column as string and take jsondecode() of it`},
		"no such variable":  {"list(map(string))", two, "task", `--rows-var: docker-bake.hcl has no variable "task"; did you mean tasks?`},
		"a slip elsewhere":  {"list(map(string)) }", two, "tasks", `docker-bake.hcl: line `},
		"no list":           {"map(string)", two, "tasks", `the variable "tasks" is map(string), and not a list of objects or maps`},
		"a list of texts":   {"list(string)", two, "tasks", `and not a list of objects or maps`},
		"no type":           {"", two, "tasks", `the variable "tasks" of docker-bake.hcl has no type`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(rowsFile, "TYPE", tt.kind, 1)
			if tt.kind == "" {
				text = strings.Replace(rowsFile, "type = TYPE", "default = []", 1)
			}
			write(t, map[string]string{"docker-bake.hcl": text})
			r, err := resolve(t, Question{Rows: readRows(t, tt.rows), RowsVar: tt.variable})
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %q, want %q", err, tt.want)
				}
				return
			}
			p, err := r.Plan(plan.TargetSpec{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var got []string
			for _, j := range p.Jobs {
				got = append(got, j.Name+"="+j.Options.BuildArgs["VALUE"])
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("jobs %q, want %q", got, tt.want)
			}
		})
	}
}

// A column is there that only rows have which were not chosen.
func TestColumnOfOtherRows(t *testing.T) {
	write(t, map[string]string{"docker-bake.hcl": strings.Replace(rowsFile, "TYPE", "list(object({ id = string, value = string }))", 1)})
	in := readRows(t, `{"id":"a"}`+"\n"+`{"id":"b","value":"2"}`)
	in.Rows = in.Rows[:1]
	if _, err := resolve(t, Question{Rows: in, RowsVar: "tasks"}); err != nil {
		t.Error(err)
	}
}
