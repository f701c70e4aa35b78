package plan

import (
	"testing"

	"github.com/docker/buildx/build"
)

// Jobs that are built on each other in a circle are refused, and one that is called by a hash
// of what another's image will be.
func TestJobsOnJobsThatCannotBe(t *testing.T) {
	const row = `{"id":"a","on":"r.example/b:1"}`
	onBase := func(s *Spec) { s.Base = "{{.on}}" }
	ofStage := func(s *Spec) { s.Target = "{{.id}}" }
	ab := []string{`{"id":"a"}`, `{"id":"b"}`}
	const circle = "a is built on the image of b, and b is built on the image of a"
	tests := []struct {
		name, dockerfile, tag string
		set                   func(*Spec)
		rows                  []string
		says                  string
	}{
		{"a chain", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "{{.id}}:1", onBase, []string{row, `{"id":"b","on":"debian"}`}, ""},
		{"a circle", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "{{.id}}:1", onBase, []string{row, `{"id":"b","on":"r.example/a:1"}`},
			"a is built on the image of b, and b is built on the image of a"},
		{"a circle by COPY and FROM", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY --from=r.example/a:1 /x /x\n", "{{.id}}:1", onBase,
			[]string{row, `{"id":"b","on":"x"}`}, "a is built on the image of b, and b is built on the image of a"},
		{"a circle by what an ARG is by itself", "ARG ON=r.example/a:1\nFROM debian AS a\nCOPY --from=r.example/b:1 /x /x\nFROM ${ON} AS b\n", "{{.id}}:1", ofStage, ab, circle},
		{"a circle by a context", "FROM on AS a\nFROM r.example/a:1 AS b\n", "{{.id}}:1", func(s *Spec) { s.Target, s.Contexts = "{{.id}}", []string{"on=docker-image://r.example/b:1"} }, ab, circle},
		{"a circle for one of two platforms", "FROM r.example/b:${TARGETARCH} AS a\nFROM r.example/a:1 AS b\n", "{{.id}}:{{if eq .id \"a\"}}1{{else}}arm64{{end}}",
			func(s *Spec) { s.Target, s.Platforms = "{{.id}}", []string{"linux/amd64,linux/arm64"} }, ab, circle},
		{"a circle by a frontend", "# syntax=r.example/b:1\nFROM debian\n", "{{.id}}:1",
			func(s *Spec) { s.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": "{{.on}}"} }, []string{row, `{"id":"b","on":"r.example/a:1"}`}, circle},
		{"other stages", "FROM debian AS a\nFROM r.example/a:1 AS b\nFROM r.example/b:1 AS c\n", "{{.id}}:1", ofStage, append(ab, `{"id":"c"}`), ""},
		{"a comment", "# COPY --from=r.example/b:1\nFROM debian AS a\n# COPY --from=r.example/b:1\nFROM r.example/a:1 AS b\n", "{{.id}}:1", ofStage, ab, ""},
		{"an argument that is no image there", "FROM debian\nARG PEER\nENV PEER=${PEER}\n", "{{.id}}:1",
			func(s *Spec) { s.BuildArgs = map[string]string{"PEER": "{{.on}}"} }, []string{row, `{"id":"b","on":"r.example/a:1"}`}, ""},
		{"a context that the target does not read", "FROM debian AS a\nFROM r.example/a:1 AS b\n", "{{.id}}:1",
			func(s *Spec) { s.Target, s.Contexts = "{{.id}}", []string{"on=docker-image://r.example/b:1"} }, ab, ""},
		{"what its own tag was before", "FROM r.example/a:2\nCOPY --from=r.example/a:2 /x /x\n", "a:{{.id}}", func(s *Spec) { s.BuildArgs = map[string]string{"X": "{{.id}}"} }, []string{`{"id":"1"}`, `{"id":"2"}`}, ""},
		{"a hash beside other stages", "FROM debian AS a\nFROM debian AS b\nFROM r.example/b:1 AS c\n", "{{.id}}:{{if eq .id \"a\"}}{{.GraphHash}}{{else}}1{{end}}", ofStage, append(ab, `{"id":"c"}`), ""},
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

// Circles lead through links, also those of targets that are only built for others, whose
// reading counts for those that they are linked with.
func TestCirclesThroughLinks(t *testing.T) {
	job := func(name, dockerfile string, links ...*Job) *Job {
		j := &Job{Name: name, Tags: []string{"r.example/" + name + ":1"}, Source: &Source{dockerfile: []byte(dockerfile)}, Links: map[string]*Job{}}
		j.Options.Inputs.NamedContexts = map[string]build.NamedContext{}
		for _, l := range links {
			j.Links[l.Name] = l
			j.Options.Inputs.NamedContexts[l.Name] = build.NamedContext{Path: targetContext + l.Name}
		}
		return j
	}
	a := job("a", "FROM r.example/c:1\n")
	b := job("b", "FROM a\n", a)
	c := job("c", "FROM debian\nCOPY --from=r.example/b:1 /x /x\n")
	wantInputError(t, checkCircles([]*Job{a, b, c}), "a is built on the image of c, and c is built on the image of b, and b is built on the image of a")
	wantInputError(t, checkCircles([]*Job{b, c}), "is built on the image of a")
	wantInputError(t, checkCircles([]*Job{a, b}))

	c.later = func(*Job, string) error { return nil }
	wantInputError(t, checkHashed(&Plan{Jobs: []*Job{b, c}}), "c: {{.GraphHash}} cannot be known before b is built, whose image r.example/b:1 it is built on")
	b.later, c.later = c.later, nil
	wantInputError(t, checkHashed(&Plan{Jobs: []*Job{b, c}}), "b: {{.GraphHash}} cannot be known before c is built, whose image r.example/c:1 it is built on")
}
