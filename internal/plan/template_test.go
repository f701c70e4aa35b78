package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/imageref"
)

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
