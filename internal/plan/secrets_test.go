package plan

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/docker/buildx/util/buildflags"
)

func TestSecretsOfRows(t *testing.T) {
	dir := files(t, map[string]string{"work/Dockerfile": "FROM debian\nRUN echo\n", "work/keys/a": "A", "work/keys/b": "B", "outside": "O"})
	t.Chdir(filepath.Join(dir, "work"))
	const variable = "which variable of yours is given to its build"
	tests := []struct {
		secret, id string
		outside    bool
		want       buildflags.Secret
		says       string
	}{
		{"id=key,src=keys/{{.id}}", "a", false, buildflags.Secret{ID: "key", FilePath: "keys/a"}, ""},
		{"id=key,src=keys/{{.id}}", "b", false, buildflags.Secret{ID: "key", FilePath: "keys/b"}, ""},
		{"id={{.id}},src=keys/a", "x", false, buildflags.Secret{ID: "x", FilePath: "keys/a"}, ""},
		{"id={{.id}},env=HOME", "x", false, buildflags.Secret{ID: "x", Env: "HOME"}, ""},
		{"id=key,src=keys/{{.id}}", "../../outside", false, buildflags.Secret{}, "is outside of the working directory"},
		{"id=key,src=keys/{{.id}}", "../../outside", true, buildflags.Secret{ID: "key", FilePath: "keys/../../outside"}, ""},
		{"id=key,env={{.id}}", "HOME", false, buildflags.Secret{}, variable},
		{"type=env,id=key,src={{.id}}", "HOME", false, buildflags.Secret{}, variable},
		{"id={{.id}}", "HOME", false, buildflags.Secret{}, variable},
		{"id={{.id}}", "HOME", true, buildflags.Secret{ID: "HOME"}, ""},
		{"id=key,src=keys/{{.id}}", "nowhere", false, buildflags.Secret{}, "no such file"},
		{"id=key,src=keys/{{.id}}", "a,env=HOME", false, buildflags.Secret{}, "more than one part"},
	}
	for _, tt := range tests {
		t.Run(tt.secret+" "+tt.id, func(t *testing.T) {
			s := Spec{Context: ".", Secrets: []string{tt.secret}, BuildArgs: map[string]string{}, Labels: map[string]string{"row": "{{.id}}"},
				Outputs: []string{"type=cacheonly"}, AllowOutside: tt.outside}
			p, err := newPlan(t, s, jsonRows(t, `{"id":"`+tt.id+`"}`))
			wantInputError(t, err, tt.says)
			if err != nil {
				return
			}
			if specs := p.Jobs[0].Options.SecretSpecs; len(specs) != 1 || *specs[0] != tt.want {
				t.Errorf("secrets %+v, want %+v", specs, tt.want)
			}
		})
	}
}

// What a template makes of a field that looks secret is kept as the field is.
func TestSecretsThatTemplatesMake(t *testing.T) {
	dir := files(t, map[string]string{"Dockerfile": "FROM debian\nARG A\nARG B\nARG C\nRUN echo $A $B $C\n"})
	t.Chdir(dir)
	s := Spec{Context: ".", Outputs: []string{"type=cacheonly"}, Labels: map[string]string{"l": `{{index .deep "api-key" | upper}}`}, BuildArgs: map[string]string{
		"A": "x-{{.token | lower}}-{{.id}}", "B": `{{if .deep}}https://u:{{.deep.password | trimPrefix "p"}}@h{{end}}`, "C": "{{.id | upper}}",
	}}
	p, err := newPlan(t, s, jsonRows(t, `{"id":"one","token":"TOK-1","deep":{"password":"pword","api-key":"key"}}`, `{"id":"two","token":"TOK-2","deep":{"password":"pword","api-key":"key"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"KEY", "tok-1", "tok-2", "word"}; !slices.Equal(p.Secrets, want) {
		t.Errorf("secrets %q, want %q", p.Secrets, want)
	}
}

// Rows with the same secrets share what hands them out; others get their own.
func TestSecretsAreShared(t *testing.T) {
	dir := files(t, map[string]string{"Dockerfile": "FROM debian\n", "a": "A", "b": "B"})
	t.Chdir(dir)
	s := Spec{Context: ".", Secrets: []string{"id=key,src={{.file}}"}, Labels: map[string]string{"row": "{{.id}}"}, Outputs: []string{"type=cacheonly"}}
	p, err := newPlan(t, s, jsonRows(t, `{"id":"1","file":"a"}`, `{"id":"2","file":"a"}`, `{"id":"3","file":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	one, two, three := p.Jobs[0].Options.Session, p.Jobs[1].Options.Session, p.Jobs[2].Options.Session
	last := len(one) - 1
	if one[last] != two[last] || one[last] == three[last] {
		t.Error("the same secrets are handed out by two, or different ones by one")
	}
}
