package plan

import (
	"path/filepath"
	"testing"
)

// Slips in templates are answered with what was meant.
func TestFieldsThatAreMeant(t *testing.T) {
	one, other := `{"id":"A_b","dir":"x"}`, `{"id":"c"}`
	for _, tt := range []struct {
		tag  string
		rows []string
		says []string
	}{
		{"r.example/a:{{id}}", []string{one}, []string{`function "id" not defined; did you mean {{.id}}?`, "a field has a dot before its name"}},
		{"r.example/a:{{name}}", []string{one}, []string{"did you mean {{.Name}}?"}},
		{"r.example/a:{{id | lower}}", []string{one}, []string{"did you mean {{.id}}?"}},
		{"r.example/a:{{dir}}", []string{one}, []string{"the function dir is given nothing; did you mean {{.dir}}?"}},
		{"r.example/a:{{idd}}", []string{one}, []string{`function "idd" not defined`, "functions: slug "}},
		{"r.example/a:{id}", []string{one}, []string{"is not a valid tag", "did you mean {{.id}} where it has {id}?"}},
		{"r.example/a:{{.Index}}-${id}", []string{one}, []string{"did you mean {{.id}} where it has ${id}?"}},
		{"r.example/{{.Index}}-{{.id}}:1", []string{one}, []string{"is not a valid tag", "as in {{.id | lower}}"}},
		{"r.example/Team:{{.id}}", []string{other}, []string{"is not a valid tag", "write the repository in lower case"}},
		{"r.example/a:{{.dir}}", []string{other, one}, []string{
			`rows.jsonl: line 1: -t "r.example/a:{{.dir}}": there is no field .dir, which other rows have, such as line 2`, `rows without it get a default by {{index . "dir" | default "..."}}`}},
	} {
		s := spec(t, "FROM debian\nARG V\nRUN echo $V\n", tt.tag)
		s.BuildArgs = map[string]string{"V": "{{.id}}"}
		_, err := newPlan(t, s, jsonRows(t, tt.rows...))
		wantInputError(t, err, tt.says...)
	}
}

// So are braces in a path that leads nowhere.
func TestBracesInPaths(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ context, file, says string }{
		{filepath.Join(dir, "{id}"), "", "is not a directory"},
		{dir, filepath.Join(dir, "${id}.Dockerfile"), "does not exist"},
	} {
		s := spec(t, "FROM debian\n", "r.example/a:{{.id}}")
		s.Context, s.File = tt.context, tt.file
		_, err := newPlan(t, s, jsonRows(t, `{"id":"a"}`, `{"id":"b"}`))
		wantInputError(t, err, tt.says, "did you mean {{.id}} where it has ")
	}
}

// What the hint says gives a default.
func TestDefaultOfAField(t *testing.T) {
	s := spec(t, "FROM debian\nARG V\nRUN echo $V\n")
	s.BuildArgs = map[string]string{"V": `{{.id}}{{index . "dir" | default "none"}}`}
	p, err := newPlan(t, s, jsonRows(t, `{"id":"a","dir":"x"}`, `{"id":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Jobs[0].Options.BuildArgs["V"] + " " + p.Jobs[1].Options.BuildArgs["V"]; got != "ax bnone" {
		t.Errorf("got %s", got)
	}
}
