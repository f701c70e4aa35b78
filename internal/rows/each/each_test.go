package each

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
)

// tree makes files below the working directory, which becomes a new one.
func tree(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, file := range files {
		name, text, _ := strings.Cut(file, ": ")
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// filled is a template as plan fills it in.
func filled(t *testing.T, text string) func(map[string]any) (string, error) {
	if text == "" {
		return nil
	}
	tmpl := template.Must(template.New("data").Option("missingkey=error").Parse(text))
	return func(columns map[string]any) (string, error) {
		var b strings.Builder
		err := tmpl.Execute(&b, columns)
		return b.String(), err
	}
}

func TestMatches(t *testing.T) {
	tree(t, "tasks/b/Dockerfile", "tasks/a/Dockerfile", "tasks/a/env/Dockerfile", "tasks/.hidden/Dockerfile", "tasks/we[i]rd/Dockerfile",
		"docker/Dockerfile.one", "docker/Dockerfile.two", "docker/three.Dockerfile", "docker/Dockerfile", "data/x/task.toml", "data/x/Containerfile")
	if err := errors.Join(os.Symlink("../tasks/a", "data/link"), os.Symlink("..", "tasks/loop")); err != nil {
		t.Fatal(err)
	}
	here, _ := os.Getwd()
	tests := []struct {
		pattern string
		rows    string // each as path, dir and name
		files   bool   // they are Dockerfiles
	}{
		{"tasks/*/Dockerfile", "tasks/a/Dockerfile tasks/a a, tasks/b/Dockerfile tasks/b b, tasks/we[i]rd/Dockerfile tasks/we[i]rd we[i]rd", true},
		{"./tasks/{a,b}/Dockerfile", "tasks/a/Dockerfile tasks/a a, tasks/b/Dockerfile tasks/b b", true},
		{"tasks/**/Dockerfile", "tasks/a/Dockerfile tasks/a a, tasks/a/env/Dockerfile tasks/a/env env, tasks/b/Dockerfile tasks/b b, " +
			"tasks/we[i]rd/Dockerfile tasks/we[i]rd we[i]rd", true},
		{"tasks/[ab]", "tasks/a tasks/a a, tasks/b tasks/b b", false},
		{"tasks/*/env", "tasks/a/env tasks/a/env a", false},
		{"data/*/", "data/link data/link link, data/x data/x x", false},
		{"docker/Dockerfile.*", "docker/Dockerfile.one docker one, docker/Dockerfile.two docker two", true},
		{"docker/*.Dockerfile", "docker/three.Dockerfile docker three", true},
		{"docker/*", "docker/Dockerfile docker docker, docker/Dockerfile.one docker one, docker/Dockerfile.two docker two, docker/three.Dockerfile docker three", true},
		{"data/*/{Dockerfile,Containerfile}", "data/link/Dockerfile data/link link, data/x/Containerfile data/x x", true},
		{"data/*/task.toml", "data/x/task.toml data/x x", false},
		{here + "/tasks/b/Dockerfile", here + "/tasks/b/Dockerfile " + here + "/tasks/b b", true},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			got, err := Rows(Question{Pattern: tt.pattern})
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, row := range got.Rows {
				all = append(all, strings.Join([]string{row.Columns["Path"].(string), row.Columns["Dir"].(string), row.Columns["Name"].(string)}, " "))
			}
			if rows := strings.Join(all, ", "); rows != tt.rows || got.Dockerfiles != tt.files {
				t.Errorf("rows %s, Dockerfiles: %t\nwant %s, %t", rows, got.Dockerfiles, tt.rows, tt.files)
			}
		})
	}
}

// A row has the values of its sidecar, but its own where both have one.
func TestSidecars(t *testing.T) {
	tree(t, "t/a/Dockerfile", "t/b/Dockerfile", "t/c/Dockerfile", "t/[d]/Dockerfile",
		"t/a/task.toml: Name = \"own\"\nn = 3\nv = 1.5\nday = 2024-01-02\nwhen = 2024-01-02T03:04:05Z\nl = [1, \"x\"]\n[env]\nA = true\n",
		"t/b/task.yaml: n: 3\nv: 3.10\nwhen: 2024-01-02T03:04:05Z\nnone: null\nbase: &b {A: [1.50, ~]}\nenv: *b\n7: seven\n",
		"t/[d]/task.json: {\"n\": 3, \"v\": 3.10, \"none\": null, \"deep\": {\"none\": null}}")
	got, err := Rows(Question{Pattern: "t/*/Dockerfile", Data: filled(t, "{{.Dir}}/task.{toml,yaml,json}")})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`{"Dir":"t/[d]","Index":0,"Name":"[d]","Path":"t/[d]/Dockerfile","deep":{},"n":3,"v":3.10}`,
		`{"Dir":"t/a","Index":1,"Name":"a","Path":"t/a/Dockerfile","day":"2024-01-02","env":{"A":true},"l":[1,"x"],"n":3,"v":1.5,"when":"2024-01-02T03:04:05Z"}`,
		`{"7":"seven","Dir":"t/b","Index":2,"Name":"b","Path":"t/b/Dockerfile","base":{"A":[1.50,null]},"env":{"A":[1.50,null]},"n":3,"v":3.10,"when":"2024-01-02T03:04:05Z"}`,
		`{"Dir":"t/c","Index":3,"Name":"c","Path":"t/c/Dockerfile"}`,
	} {
		if columns, _ := json.Marshal(got.Rows[i].Columns); string(columns) != want {
			t.Errorf("row %d is\n%s, want\n%s", i, columns, want)
		}
	}
	if strings.Join(got.Notes, "") != "--each-data: 1 of the 4 rows have no such file" || len(got.Sidecars) != 3 {
		t.Errorf("notes %q, sidecars %q", got.Notes, got.Sidecars)
	}
	got, err = Rows(Question{Pattern: "t/*/Dockerfile", Data: filled(t, "{{.Dir}}/tusk.toml")})
	if err != nil || !strings.HasPrefix(strings.Join(got.Notes, ""), "--each-data: none of the 4 rows has such a file") {
		t.Errorf("notes %q, error %v", got.Notes, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	tree(t, "outside/Dockerfile", "outside/task.toml: a = 1", "work/t/a/Dockerfile", "work/t/b/Dockerfile", "work/t/README",
		"work/t/a/x.toml: a = 1\nb =\n", "work/t/a/x.yaml: a: 1\nb: [\n", "work/t/a/x.json: {\n\"a\": 1,\n}", "work/t/a/list.json: [1]", "work/t/a/twice.json: {\"env\":\n{\"A\": 1, \"A\": 2}}",
		"work/t/a/twice.yaml: env:\n  A: 1\n  A: 2\n", "work/t/a/twice.toml: [env]\nA = 1\nA = 2\n", "work/t/a/two.json: {}", "work/t/a/two.toml: ", "work/t/a/x.ini: ")
	if err := errors.Join(os.Symlink("../../outside", "work/t/link"), os.Symlink("../../../outside/task.toml", "work/t/a/link.toml")); err != nil {
		t.Fatal(err)
	}
	outside, _ := filepath.Abs("outside")
	t.Chdir("work")
	const out = "is outside of the working directory"
	tests := []struct {
		name, pattern, data string
		allowed             bool
		says                []string
	}{
		{"nothing", "t/*/Dokerfile", "", false, []string{`--each "t/*/Dokerfile": nothing is there that matches`, "in quotes"}},
		{"no pattern", "t/[", "", false, []string{"it is no pattern"}},
		{"files and directories", "t/*", "", true, []string{"it matches directories, such as t/a, and files, such as t/README"}},
		{"above", "../outside/*", "", false, []string{`"../outside" ` + out}},
		{"elsewhere", outside + "/*", "", false, []string{out, "--allow-outside"}},
		{"by a link", "t/*/Dockerfile", "", false, []string{"t/link/Dockerfile: --each: " + `"t/link/Dockerfile" ` + out}},
		{"by a link, allowed", "t/*/Dockerfile", "", true, nil},
		{"above, allowed", "../outside/Dockerfile", "", true, nil},
		{"a sidecar by a link", "t/a/Dockerfile", "{{.Dir}}/link.toml", false, []string{`"t/a/link.toml" ` + out}},
		{"a sidecar above", "t/a/Dockerfile", "../outside/task.toml", false, []string{`"../outside/task.toml" ` + out}},
		{"two sidecars", "t/a/Dockerfile", "{{.Dir}}/two.*", false, []string{"2 files are there for it: t/a/two.json, t/a/two.toml"}},
		{"TOML", "t/a/Dockerfile", "{{.Dir}}/x.toml", false, []string{"t/a/Dockerfile: t/a/x.toml: line 2, column 4: it is not TOML"}},
		{"YAML", "t/a/Dockerfile", "{{.Dir}}/x.yaml", false, []string{"t/a/x.yaml: it is not YAML with names and values: line 2"}},
		{"JSON", "t/a/Dockerfile", "{{.Dir}}/x.json", false, []string{"t/a/x.json: it is not JSON", "line 3, column 1"}},
		{"a name twice in JSON", "t/a/Dockerfile", "{{.Dir}}/twice.json", false, []string{`t/a/twice.json: it has "env.A" twice, at line 2, column 10`}},
		{"a name twice in YAML", "t/a/Dockerfile", "{{.Dir}}/twice.yaml", false, []string{"t/a/twice.yaml: it is not YAML", "line 3", `"A"`}},
		{"a name twice in TOML", "t/a/Dockerfile", "{{.Dir}}/twice.toml", false, []string{"t/a/twice.toml: ", "line 3", "A"}},
		{"no object", "t/a/Dockerfile", "{{.Dir}}/list.json", false, []string{"t/a/list.json: it is not a JSON object"}},
		{"another format", "t/a/Dockerfile", "{{.Dir}}/x.ini", false, []string{"t/a/x.ini: its name does not end in .toml"}},
		{"a template that fails", "t/a/Dockerfile", "{{.dir}}/x", false, []string{"t/a/Dockerfile: ", "dir"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Rows(Question{Pattern: tt.pattern, Data: filled(t, tt.data), AllowOutside: tt.allowed})
			if (err != nil) != (tt.says != nil) {
				t.Fatalf("error %v", err)
			}
			for _, says := range tt.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %q does not say %q", err, says)
				}
			}
		})
	}
}
