package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/rows"
)

// A mistake in a flag is in all rows, with another value in each.
func TestLikeProblemsAreOne(t *testing.T) {
	t.Chdir(files(t, map[string]string{"Dockerfile": dockerfile}))
	var lines, refs []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf(`{"id":"t%d"}`, i))
		refs = append(refs, fmt.Sprintf("r.example/base:%d", i))
	}
	for _, tt := range []struct {
		name string
		spec Spec
		in   rows.Input
		want string
	}{
		{"a tag", Spec{Context: ".", BaseArg: "BASE_IMAGE", TagTemplates: []string{"127.0.0.1:5000/Agent:{{.Tag}}"}}, images(refs...),
			`bases.txt: lines 1, 2, 3 and 97 more, such as line 1: -t "127.0.0.1:5000/Agent:{{.Tag}}": the result "127.0.0.1:5000/Agent:0" is not a valid tag: ` +
				"invalid reference format: repository name (Agent) must be lowercase\nwrite the repository in lower case"},
		{"a directory", Spec{Context: "taks/{{.id}}"}, jsonRows(t, lines...),
			`rows.jsonl: lines 1, 2, 3 and 97 more, such as line 1: PATH: build context "taks/t0" is not a directory`},
		{"two kinds", Spec{Context: "taks/{{.id}}"}, jsonRows(t, append(lines, `{"name":"x"}`)...),
			"rows.jsonl: 2 problems:\n" + `  lines 1, 2, 3 and 97 more, such as line 1: PATH: build context "taks/t0" is not a directory` + "\n" +
				`  line 101: PATH "taks/{{.id}}": there is no field .id, which other rows have, such as line 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newPlan(t, tt.spec, tt.in)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error\n%v, want\n%s", err, tt.want)
			}
		})
	}
}

// What is wrong with rows and with Dockerfiles is told in one go; a flag that no row fills
// in is to blame itself.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Chdir(files(t, map[string]string{"a/Dockerfile": "FROM x\n", "b/Dockerfile": "FROM x\nBAD y\n", "c/Dockerfile": "FROM x\n"}))
	for name, tt := range map[string]struct {
		spec Spec
		want string
	}{
		"rows and Dockerfiles": {Spec{Context: "{{.id}}", TagTemplates: []string{"r.example/{{.tag}}"}},
			"rows.jsonl: 2 problems:\n  line 1: -t \"r.example/{{.tag}}\": there is no field .tag, which other rows have, such as line 2\n" +
				"  line 2: b/Dockerfile: dockerfile parse error on line 2: unknown instruction: BAD"},
		"a secret of all": {Spec{Context: "{{.id}}", Secrets: []string{"id=t,src=nofile"}},
			`--secret "id=t,src=nofile": failed to stat nofile: `},
	} {
		_, err := newPlan(t, tt.spec, jsonRows(t, `{"id":"a"}`, `{"id":"b","tag":"b"}`, `{"id":"c","tag":"c"}`))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: error\n%v, want\n%s", name, err, tt.want)
		}
	}
}
