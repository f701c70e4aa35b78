package plan

import "testing"

// Jobs that are built on each other in a circle are refused, and one that is called by a hash
// of what another's image will be.
func TestJobsOnJobsThatCannotBe(t *testing.T) {
	const row = `{"id":"a","on":"r.example/b:1"}`
	onBase := func(s *Spec) { s.Base = "{{.on}}" }
	tests := []struct {
		name, dockerfile, tag string
		set                   func(*Spec)
		rows                  []string
		says                  string
	}{
		{"a chain", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "{{.id}}:1", onBase, []string{row, `{"id":"b","on":"debian"}`}, ""},
		{"a circle", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "{{.id}}:1", onBase, []string{row, `{"id":"b","on":"r.example/a:1"}`},
			"a is built on the image of b, and b is built on the image of a"},
		{"a circle by COPY", "FROM debian\nARG ON\nCOPY --from=r.example/a:1 /x /x\nRUN echo $ON\n", "{{.id}}:1",
			func(s *Spec) { s.BuildArgs = map[string]string{"ON": "{{.on}}"} }, []string{row, `{"id":"b","on":"x"}`}, "a is built on the image of b, and b is built on the image of a"},
		{"a hash on a tag", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "{{.id}}:{{if eq .id \"a\"}}{{.GraphHash}}{{else}}1{{end}}", onBase, []string{row, `{"id":"b","on":"debian"}`},
			"cannot be known before b is built"},
		{"a hash on what is there", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "{{.id}}:{{.GraphHash}}", onBase, []string{row, `{"id":"b","on":"debian"}`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.dockerfile, "r.example/"+tt.tag)
			tt.set(&s)
			_, err := newPlan(t, s, jsonRows(t, tt.rows...))
			wantInputError(t, err, tt.says)
		})
	}
}
