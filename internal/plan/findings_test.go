package plan

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
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
		in   Input
		want string
	}{
		{"a tag", Spec{Context: ".", BaseArg: "BASE_IMAGE", TagTemplates: []string{"127.0.0.1:5000/Agent:{{.Tag}}"}}, images(refs...),
			`bases.txt: lines 1, 2, 3 and 97 more, such as line 1: -t "127.0.0.1:5000/Agent:{{.Tag}}": the result "127.0.0.1:5000/Agent:0" is not a valid tag: ` +
				"invalid reference format: repository name (Agent) must be lowercase"},
		{"a directory", Spec{Context: "taks/{{.id}}"}, rows(t, lines...),
			`rows.jsonl: lines 1, 2, 3 and 97 more, such as line 1: PATH: build context "taks/t0" is not a directory`},
		{"two kinds", Spec{Context: "taks/{{.id}}"}, rows(t, append(lines, `{"name":"x"}`)...),
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

// A file of another kind is not shown on the terminal.
func TestListThatIsNone(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"a program":   {"\x7fELF\x02\x01\x01\x00\x00\n", "line 1 has NUL characters"},
		"bytes":       {strings.Repeat("\xff\xfe\x1b[2J"+strings.Repeat("A", 300)+"\n", 100), "lines 1, 2, 3"},
		"a long line": {strings.Repeat("ä", 5000), `"` + strings.Repeat("ä", quoted) + `..."`},
		"prose":       {strings.Repeat("more words\nAnd again\nStill more:\n", 100) + strings.Repeat("Upper/X\nUpper/Y\nUpper/Z\nUpper/U\n", 100), "holds white space"},
	} {
		_, _, err := ReadImages("list", strings.NewReader(tt.text))
		wantInputError(t, err, tt.says)
		if text := err.Error(); len(text) > 2000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b") {
			t.Errorf("%s: %d bytes: %q", name, len(text), text)
		}
	}
}
