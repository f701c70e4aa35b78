package bake

import (
	"errors"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/mistakes"
)

// A typed variable without a value is told of, where bake's own package panics or says only
// that something is null; what the file has can be listed all the same.
func TestNoValue(t *testing.T) {
	const say = "variable tasks has no value: give --rows FILE --rows-var tasks, --var tasks_JSON=JSON or a default"
	matrix := strings.Replace(rowsFile, "TYPE", "list(object({ id = string, value = string }))", 1)
	for name, tt := range map[string]struct {
		text string
		vars map[string]string
		want string // what the error says; empty for none
	}{
		"a matrix":      {matrix, nil, say},
		"by --var":      {matrix, map[string]string{"tasks_JSON": `[{"id":"a","value":"1"}]`}, ""},
		"a default":     {strings.Replace(matrix, "TYPE }", "TYPE\n default = [] }", 1) + "variable \"tasks\" { default = [{ id = \"a\", value = \"1\" }] }\n", nil, ""},
		"a for":         {strings.Replace(matrix, "= tasks", "= [for t in tasks : t]", 1), nil, say},
		"of texts":      {strings.NewReplacer("list(object({ id = string, value = string }))", "set(string)", "task.id", "task", "task.value", "task").Replace(matrix), nil, "variable tasks has no value: give --var tasks_JSON=JSON or a default"},
		"a null in it":  {"target \"default\" {\n  name = \"a\"\n  matrix = { a = null }\n}\n", nil, "docker-bake.hcl: "},
		"of one number": {"variable \"n\" { type = number }\ntarget \"default\" {\n  name = \"a-${a}\"\n  matrix = { a = range(n) }\n}\n", nil, "variable n has no value: give --var n=VALUE or a default"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"docker-bake.hcl": tt.text})
			_, err := resolve(t, Question{Vars: tt.vars})
			var input *mistakes.InputError
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("error %q, want none", err)
			case tt.want != "" && (!errors.As(err, &input) || strings.Count(err.Error(), tt.want) != 1):
				t.Errorf("error %v, want an input error with %q", err, tt.want)
			}
		})
	}
	write(t, map[string]string{"docker-bake.hcl": matrix})
	for how, want := range map[string]string{"targets": "default\ttask", "variables": "<null>"} {
		if got := printed(t, Question{Listing: true}, []string{"--list", how}); !strings.Contains(got, want) {
			t.Errorf("--list %s prints %q, want %q in it", how, got, want)
		}
	}
}

// A list that is given as JSON is said to be, and how that is given.
func TestListGivenAsJSON(t *testing.T) {
	write(t, map[string]string{"docker-bake.hcl": "variable \"LANGS\" {\n  type = list(string)\n}\ntarget \"default\" {\n  name = lang\n  matrix = { lang = LANGS }\n}\n"})
	for value, want := range map[string]string{
		`["x","y"]`: `--var LANGS: its value is JSON: ["x","y"]` + "\n" + `give it as --var 'LANGS_JSON=["x","y"]', or with commas alone, such as --var LANGS=x,y`,
		"x,y":       "",
	} {
		_, err := resolve(t, Question{Vars: map[string]string{"LANGS": value}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "\n  ", "\n"), strings.Split(want, "\n")[0]) || !strings.Contains(err.Error(), strings.Split(want, "\n")[1])) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
}
