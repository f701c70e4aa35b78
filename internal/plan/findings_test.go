package plan

import (
	"fmt"
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
				"invalid reference format: repository name (Agent) must be lowercase"},
		{"a directory", Spec{Context: "taks/{{.id}}"}, jsonRows(t, lines...),
			`rows.jsonl: lines 1, 2, 3 and 97 more, such as line 1: PATH: build context "taks/t0" is not a directory`},
		{"two kinds", Spec{Context: "taks/{{.id}}"}, jsonRows(t, append(lines, `{"name":"x"}`)...),
			"rows.jsonl: 2 problems:\n" + `  lines 1, 2, 3 and 97 more, such as line 1: PATH: build context "taks/t0" is not a directory` + "\n" +
				`  line 101: PATH "taks/{{.id}}": there is no field .id`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newPlan(t, tt.spec, tt.in)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error\n%v, want\n%s", err, tt.want)
			}
		})
	}
}
