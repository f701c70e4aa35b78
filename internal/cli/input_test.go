package cli

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/flock"
)

// Bad input is found before a builder is asked: the builder of these tests does
// not exist, which would end with another exit code.
func TestBadInputStartsNoBuild(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	context := filepath.Dir(write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"))
	good := write("good.txt", "debian:12\n")
	bad := write("bad.txt", "debian:12\nNot A Reference\nUPPER\n")
	two := write("two.txt", "a/one:1\na/two:1\n")
	empty := write("empty.txt", "# none\n")
	twins := write("twins.txt", "a/x:1\nb/x:1\n")
	broken := write("broken/Dockerfile", "ARG BASE_IMAGE\nFORM x\n")
	tag := "r.example/a:{{.Name}}"
	fixed := write("fixed/Dockerfile", "ARG BASE_IMAGE\nFROM debian\nCOPY x /\n")
	stages := write("stages/Dockerfile", "ARG BASE_IMAGE\nFROM debian AS builder\nFROM ${BASE_IMAGE}\nCOPY --from=builder /x /x\n")
	rows := write("rows.jsonl", `{"id":"a"}`+"\n"+`{"id":"../b","more":1}`+"\n")
	table := write("tasks.csv", "id,image\na,debian:12\n")
	badRows := write("bad.jsonl", "{\n[]\n"+`{"id":"a"}`+"\n")

	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"bad lines", []string{"--images", bad, "-t", tag, context}, []string{"line 2", "line 3"}},
		{"empty list", []string{"--images", empty, "-t", tag, context}, []string{"no image references"}},
		{"no list", []string{"-t", tag, context}, []string{"--images FILE, --rows FILE or --each PATTERN is needed"}},
		{"missing list", []string{"--images", filepath.Join(dir, "none"), context}, []string{"no such file"}},
		{"an image for a list", []string{"--images", "some/image:1", context}, []string{"--images: open some/image:1: no such file", "it takes a FILE with an image reference on each line", "echo some/image:1 > bases.txt"}},
		{"rows for a list", []string{"--images", table, context}, []string{`tasks.csv: 2 problems`, `line 1: "id,image"`, "a file of rows is given with --rows " + table}},
		{"same tags", []string{"--images", twins, "-t", tag, context}, []string{"-t: 2 jobs would get the tag r.example/a:x: x, x-"}},
		{"unknown field", []string{"--images", good, "-t", "r/a:{{.Foo}}", context}, []string{"line 1", ".Foo", "fields: .DockerfileHash .GitSHA .GraphHash .Index .Name .Ref"}},
		{"invalid tag", []string{"--images", good, "-t", "r/A B", context}, []string{"not a valid tag"}},
		{"no tag to push", []string{"--images", good, "--push", context}, []string{"a tag is needed"}},
		{"unknown stage", []string{"--images", good, "--target", "x", context}, []string{`no stage is named "x"`}},
		{"broken Dockerfile", []string{"--images", good, "-f", broken, context}, []string{"unknown instruction"}},
		{"no Dockerfile", []string{"--images", good, "-f", filepath.Join(dir, "none"), context}, []string{"does not exist"}},
		{"no context", []string{"--images", good}, []string{"the build context is missing"}},
		{"neither list nor context", []string{"-t", tag}, []string{"--images FILE, --rows FILE or --each PATTERN is needed"}},
		{"two contexts", []string{"--images", good, context, context}, []string{"exactly one build context is needed, got 2 arguments"}},
		{"no such context", []string{"--images", good, filepath.Join(dir, "none")}, []string{"is not a directory"}},
		{"no output", []string{"--images", good, "-t", tag, context}, []string{"no output: nothing says where", "--push", "--load", "type=cacheonly"}},
		{"one file for all", []string{"--images", two, "-o", "type=oci,dest=" + dir + "/o.tar", context}, []string{"--output: 2 jobs would write to " + dir + "/o.tar: one, two"}},
		{"progress", []string{"--images", good, "--progress", "loud", context}, []string{`"loud"`, "plain"}},
		{"workers", []string{"--images", good, "--workers", "0", context}, []string{"--workers 0"}},
		{"retries", []string{"--images", good, "--retries", "-1", context}, []string{"--retries -1"}},
		{"unknown flag", []string{"--images", good, "--wrokers", "2", context}, []string{"unknown flag --wrokers; did you mean --workers?", `See "stoker build --help".`}},
		{"limit", []string{"--images", good, "--limit", "-1", context}, []string{"--limit -1"}},
		{"shard", []string{"--images", good, "--shard", "3/2", context}, []string{`--shard: "3/2" is not I/N, shard I of N, such as 1/4`}},
		{"shard of no pod", []string{"--images", good, "--shard", "auto/2", context}, []string{`"auto/2" takes the number of the shard from JOB_COMPLETION_INDEX, counted from 0, which is not set`}},
		{"shard of none", []string{"--images", good, "--shard", "auto", context}, []string{`"auto" is not auto/N`}},
		{"no number", []string{"--images", good, "--disk-high", "NaN", context}, []string{"--disk-high NaN: they must be percentages"}},
		{"no threshold", []string{"--images", good, "--prune-threshold", "nan", context}, []string{"--prune-threshold NaN"}},
		{"batch size", []string{"--images", good, "--batch-size", "0", context}, []string{"--batch-size 0"}},
		{"no base argument", []string{"--images", good, "--base-arg", "", context}, []string{"--base-arg: it cannot be empty"}},
		{"another base argument", []string{"--images", good, "-f", write("other/Dockerfile", "ARG IMG\nARG BASE_IMAGE\nFROM ${IMG}\n"), context}, []string{"should not be blank", "passed as the argument BASE_IMAGE", "--base-arg"}},
		{"a slip in a stage", []string{"--images", good, "-f", stages, "--target", "bilder", context}, []string{`no stage is named "bilder"`, `did you mean "builder"?`, "named stages: builder"}},
		{"a stage where none has a name", []string{"--images", good, "--target", "builder", context}, []string{"no stage has a name"}},
		{"retries of steps", []string{"--images", good, "--retries-step", "-1", context}, []string{"--retries-step -1"}},
		{"build argument", []string{"--images", good, "--build-arg", "=x", context}, []string{"KEY=VALUE"}},
		{"a base that makes no difference", []string{"--images", good, "-f", fixed, context}, []string{fixed, "ARG BASE_IMAGE makes no difference"}},
		{"a target that does not stand on the base", []string{"--images", good, "-f", stages, "--target", "builder", context}, []string{`the stage "builder"`}},
		{"a tag that is the base", []string{"--images", good, "-t", "{{.Ref}}", context}, []string{"docker.io/library/debian:12 is the base image itself"}},
		{"a template as a key", []string{"--images", good, "--build-arg", "{{.Name}}=x", context}, []string{"only VALUE may be a template"}},
		{"images and rows", []string{"--images", good, "--rows", rows, context}, []string{"give one of them"}},
		{"rows and Dockerfile on standard input", []string{"--rows", "-", "-f", "-", context}, []string{"cannot both be read"}},
		{"bad rows", []string{"--rows", badRows, context}, []string{"line 1: it is not JSON", "line 2: it is not a JSON object"}},
		{"a field that not all rows have", []string{"--rows", rows, "-t", tag, "--build-arg", "M={{.more}}", context}, []string{"rows.jsonl: 2 problems:", `line 1: --build-arg M "{{.more}}"`, "there is no field .more, which other rows have, such as line 2", `{{index . "more" | default "..."}}`}},
		{"rows without Dockerfiles", []string{"--rows", rows, "tasks/{{.id}}"}, []string{"2 problems", `line 1: PATH: build context "tasks/a" is not`, `line 2: PATH: build context "tasks/../b" is not`}},
		{"rows that lead outside", []string{"--rows", rows, filepath.Join(dir, "{{.id}}")}, []string{"line 2", "outside of the working directory", "--allow-outside"}},
		{"rows that lack the base", []string{"--rows", rows, "--build-arg", "X={{.id}}", context}, []string{"should not be blank", "--base"}},
		{"a row's base as build argument", []string{"--rows", rows, "--base", "{{.id}}", "--build-arg", "BASE_IMAGE=x", context}, []string{"--base-arg"}},
		{"the base as build argument", []string{"--images", good, "--build-arg", "BASE_IMAGE=x", context}, []string{"--base-arg"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := append([]string{"build", "--builder", "unix:///does/not/exist.sock", "--output-dir", out}, tt.args...)
			code, output := runStoker(t.Context(), args...)
			if code != ExitUsage {
				t.Errorf("exit code %d, want %d", code, ExitUsage)
			}
			for _, s := range tt.says {
				if !strings.Contains(output, s) {
					t.Errorf("output %q does not say %q", output, s)
				}
			}
			if _, err := os.Stat(out); !os.IsNotExist(err) {
				t.Errorf("an output directory was made")
			}
		})
	}
}

func TestUnknownCommand(t *testing.T) {
	for typed, meant := range map[string]string{"biuld": "build", "clean": "prune", "ps": "status", "pla": "plan", "versio": "version"} {
		want := fmt.Sprintf("unknown command %q; did you mean %q?", typed, meant)
		if code, out := runStoker(t.Context(), typed); code != ExitUsage || !strings.Contains(out, want) {
			t.Errorf("exit code %d, output %q, want %q", code, out, want)
		}
	}
	const build = `unknown command "biuld"; did you mean "build"?`
	for _, args := range [][]string{{"biuld", "--images", "bases.txt"}, {"biuld", "-t", "x", "."}, {"help", "biuld"}, {"help", "biuld", "x"}} {
		if code, out := runStoker(t.Context(), args...); code != ExitUsage || !strings.Contains(out, build) || strings.Contains(out, "flag -") {
			t.Errorf("%q: exit code %d, output %q, want %q", args, code, out, build)
		}
	}
	if code, out := runStoker(t.Context(), "help", "build"); code != ExitOK || !strings.Contains(out, "--images") {
		t.Errorf("help for build: exit code %d, output %q", code, out)
	}
	if code, out := runStoker(t.Context(), "help"); code != ExitOK || !strings.Contains(out, "Commands:") {
		t.Errorf("help: exit code %d, output %q", code, out)
	}
	if _, out := runStoker(t.Context(), "frobnicate"); strings.Contains(out, "did you mean") {
		t.Errorf("nothing is near, but output %q", out)
	}
}

func TestUnreachableBuilder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "list": "debian\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"build", "--images", filepath.Join(dir, "list"), "--force", "-o", "type=cacheonly", "--output-dir", filepath.Join(dir, "out"),
		"--state-dir", filepath.Join(dir, "state")}
	if err := os.MkdirAll(filepath.Join(dir, "state", "buildkit"), 0o755); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(filepath.Join(dir, "state", "buildkit", "stoker.lock"))
	if locked, err := lock.TryLock(); err != nil || !locked {
		t.Fatal(err)
	}
	defer lock.Close()
	// What a private builder needs seems to be there, for whoever runs this.
	programs := t.TempDir()
	for _, name := range []string{"runc", "rootlesskit", "newuidmap"} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		env  [2]string
		args []string
		says []string
	}{
		{"an address", [2]string{}, []string{"--builder", "unix:///does/not/exist.sock"}, []string{"--builder unix:///does/not/exist.sock", "leave --builder"}},
		{"a name", [2]string{"BUILDX_BUILDER", "nobody"}, nil, []string{"BUILDX_BUILDER nobody"}},
		{"a host", [2]string{"BUILDKIT_HOST", "tcp://127.0.0.1:1"}, nil, []string{"BUILDKIT_HOST tcp://127.0.0.1:1"}},
		{"nothing set", [2]string{"PATH", dir}, []string{"--buildkitd", "does-not-exist"}, []string{"not set", "docker's current builder", "a private buildkitd", "docker buildx create"}},
		{"another run's", [2]string{"PATH", programs + ":" + os.Getenv("PATH")}, []string{"--buildkitd", "sh"}, []string{"a private buildkitd", "in use by another run", "--state-dir"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("DOCKER_CONFIG", dir)
			t.Setenv("DOCKER_HOST", "unix:///does/not/exist/docker.sock")
			if tt.env[0] != "" {
				t.Setenv(tt.env[0], tt.env[1])
			}
			code, output := runStoker(t.Context(), append(append(args, tt.args...), dir)...)
			if code != ExitNoBuilder {
				t.Errorf("exit code %d, want %d", code, ExitNoBuilder)
			}
			for _, s := range tt.says {
				if !strings.Contains(output, s) {
					t.Errorf("output %q does not say %q", output, s)
				}
			}
			if advised := strings.Contains(output, "To use a builder that is there"); advised != (tt.name == "nothing set") {
				t.Errorf("whether others are told of: %t\n%s", advised, output)
			}
		})
	}
}

func TestDryRunAndEnvironment(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "list": "a/one:1\na/two:2\na/one:1\na/three:3\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STOKER_IMAGES", filepath.Join(dir, "list"))
	t.Setenv("STOKER_TAG", "r.example/a:{{.Name}}\nr.example/b:{{.Tag}}")
	t.Setenv("STOKER_DRY_RUN", "true")
	t.Setenv("BUILD_BATCH_SIZE", "7")
	t.Setenv("STOKER_BATCH_SIZE", "2")
	code, out := runStoker(t.Context(), "build", dir)
	want := "line 3: a/one:1 is the same as line 1; it is built once\n" +
		"1\tbatch 1\tone\ta/one:1\tr.example/a:one,r.example/b:1\n" +
		"2\tbatch 1\ttwo\ta/two:2\tr.example/a:two,r.example/b:2\n" +
		"3\tbatch 2\tthree\ta/three:3\tr.example/a:three,r.example/b:3\n"
	if code != ExitOK || !strings.HasSuffix(out, want) {
		t.Errorf("exit code %d, output\n%s\nwant it to end\n%s", code, out, want)
	}

	t.Setenv("STOKER_BATCH_SIZE", "")
	if _, out := runStoker(t.Context(), "build", "--limit", "2", dir); strings.Contains(out, "batch 2") || strings.Contains(out, "three") {
		t.Errorf("BUILD_BATCH_SIZE or --limit is not understood:\n%s", out)
	}
	if _, out := runStoker(t.Context(), "build", "--batch-size", "1", dir); !strings.Contains(out, "batch 3") {
		t.Errorf("a flag does not win:\n%s", out)
	}
	t.Setenv("STOKER_SHARD", "2/2")
	if _, out := runStoker(t.Context(), "build", dir); !strings.Contains(out, "shard 2/2: 1 of 3 jobs") || !strings.Contains(out, "\ttwo\t") || strings.Contains(out, "\tone\t") {
		t.Errorf("STOKER_SHARD is not understood:\n%s", out)
	}
	t.Setenv("STOKER_SHARD", "auto/3")
	t.Setenv("JOB_COMPLETION_INDEX", "2")
	if _, out := runStoker(t.Context(), "build", dir); !strings.Contains(out, "shard 3/3: 1 of 3 jobs") {
		t.Errorf("the pod's number is not understood:\n%s", out)
	}
	t.Setenv("JOB_COMPLETION_INDEX", "3")
	if code, out := runStoker(t.Context(), "build", dir); code != ExitUsage || !strings.Contains(out, "JOB_COMPLETION_INDEX is 3, so that the last shard is the 4-th at least") {
		t.Errorf("a pod too many: exit code %d, output %q", code, out)
	}
	t.Setenv("STOKER_SHARD", "1/1")
	t.Setenv("STOKER_WORKERS", "many")
	if code, out := runStoker(t.Context(), "build", dir); code != ExitUsage || !strings.Contains(out, `--workers: "many" is not a whole number (from STOKER_WORKERS in the environment)`) {
		t.Errorf("a bad variable: exit code %d, output %q", code, out)
	}
}

// Rows come from a file, a variable or standard input, and reach every flag that
// is a template.
func TestDryRunOfRows(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"tasks/a/Dockerfile": "ARG FROM_ROW\nFROM ${FROM_ROW} AS last\n", "tasks/b/Dockerfile": "FROM debian AS last\n",
		"rows.jsonl": `{"id":"a","image":"a/one:1","v":{"major":3}}` + "\n\n" + `{"id":"b","image":"","v":{"major":4}}` + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	args := []string{"build", "--dry-run", "--base", "{{.image}}", "--base-arg", "FROM_ROW", "--target", "{{if .id}}last{{end}}", "tasks/{{.id}}"}
	want := "1\tbatch 1\ta\ta/one:1\tr.example/a:v3\n2\tbatch 1\tb\t-\tr.example/b:v4\n"
	t.Setenv("STOKER_TAG", "r.example/{{.Name}}:v{{.v.major}}")
	t.Run("a variable", func(t *testing.T) {
		t.Setenv("STOKER_ROWS", "rows.jsonl")
		if code, out := runStoker(t.Context(), args...); code != ExitOK || out != want {
			t.Errorf("exit code %d, output\n%s\nwant\n%s", code, out, want)
		}
	})
	t.Run("standard input", func(t *testing.T) {
		rows, err := os.Open("rows.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out bytes.Buffer
		code := Main(t.Context(), "test", append(args, "--rows", "-"), Streams{In: rows, Out: &out, Err: &out})
		if code != ExitOK || out.String() != want {
			t.Errorf("exit code %d, output\n%s\nwant\n%s", code, &out, want)
		}
	})
}

// A preset sets what nobody sets otherwise.
func TestPreset(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "rows.jsonl": `{"instance_id":"a__b-1"}` + "\n", "bases.txt": "a/one:1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, tt := range []struct {
		args     []string
		variable string
		code     int
		want     string
	}{
		{[]string{"--preset", "swe-bench"}, "", ExitOK, "swebench/sweb.eval.x86_64.a_1776_b-1:latest"},
		{[]string{"--preset", "swe-bench", "--base", "mine/{{.instance_id | slug}}"}, "", ExitOK, "mine/a-b-1"},
		{[]string{"--preset", "swe-bench"}, "mine/{{.Index}}", ExitOK, "mine/0"},
		{[]string{"--preset", "swebench"}, "", ExitUsage, `there is no preset "swebench"; did you mean swe-bench?`},
		{[]string{"--preset", "swe-gym", "--images", "bases.txt"}, "", ExitUsage, "--preset is for --rows"},
		{[]string{"--preset", "commit0"}, "", ExitUsage, `--preset commit0: there is no field .repo`},
	} {
		t.Setenv("STOKER_BASE", tt.variable)
		args := append([]string{"build", "--dry-run", "-t", "r.example/x:{{.Index}}", "."}, tt.args...)
		if !slices.Contains(args, "--images") {
			args = append(args, "--rows", "rows.jsonl")
		}
		if code, out := runStoker(t.Context(), args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%v, STOKER_BASE=%s: exit code %d, want %d and %q:\n%s", tt.args, tt.variable, code, tt.code, tt.want, out)
		}
	}
}

// A build argument's value from the environment is data, not a template.
func TestBuildArgs(t *testing.T) {
	t.Setenv("FROM_ENV", "{{.id}}")
	tests := []struct {
		flags       []string
		args, plain map[string]string
	}{
		{nil, map[string]string{}, map[string]string{}},
		{[]string{"A={{.id}}", "FROM_ENV", "NOT_SET_ANYWHERE"}, map[string]string{"A": "{{.id}}"}, map[string]string{"FROM_ENV": "{{.id}}"}},
		{[]string{"FROM_ENV=x", "FROM_ENV"}, map[string]string{}, map[string]string{"FROM_ENV": "{{.id}}"}},
		{[]string{"FROM_ENV", "FROM_ENV=x=y"}, map[string]string{"FROM_ENV": "x=y"}, map[string]string{}},
	}
	for _, tt := range tests {
		args, plain, err := buildArgs(tt.flags)
		if err != nil || !maps.Equal(args, tt.args) || !maps.Equal(plain, tt.plain) {
			t.Errorf("%q: %v and %v, %v", tt.flags, args, plain, err)
		}
	}
}
