package plan

import (
	"slices"
	"testing"
)

func TestUnusedArgs(t *testing.T) {
	const agent = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG AGENT_VERSION=1\nRUN echo $AGENT_VERSION\n"
	tests := []struct {
		name, dockerfile string
		args             []string
		notes            []string
	}{
		{"a slip", agent, []string{"AGNT_VERSION"}, []string{"--build-arg AGNT_VERSION: the Dockerfile has no ARG of that name; did you mean AGENT_VERSION?"}},
		{"in another case", agent, []string{"agent_version"}, []string{"--build-arg agent_version: the Dockerfile has no ARG of that name; did you mean AGENT_VERSION?"}},
		{"nothing near", agent, []string{"OTHER"}, []string{"--build-arg OTHER: the Dockerfile has no ARG of that name"}},
		{"near one that is given", agent, []string{"AGENT_VERSION", "AGNT_VERSION"}, []string{"--build-arg AGNT_VERSION: the Dockerfile has no ARG of that name"}},
		{"used", agent, []string{"AGENT_VERSION"}, nil},
		{"before the first FROM", "ARG A\n" + agent, []string{"A"}, nil},
		{"of BuildKit", agent, []string{"http_proxy", "HTTPS_PROXY", "BUILDKIT_INLINE_CACHE", "SOURCE_DATE_EPOCH", "TARGETARCH", "BUILDPLATFORM"}, nil},
		{"docker/dockerfile", "# syntax=docker/dockerfile:1\n" + agent, []string{"OTHER"}, []string{"--build-arg OTHER: the Dockerfile has no ARG of that name"}},
		{"another syntax", "# syntax=example.com/other\n" + agent, []string{"OTHER"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.dockerfile)
			s.BuildArgs = map[string]string{}
			for _, arg := range tt.args {
				s.BuildArgs[arg] = "3"
			}
			p, err := newPlan(t, s, images("one", "two"))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Notes, tt.notes) {
				t.Errorf("notes %q, want %q", p.Notes, tt.notes)
			}
		})
	}
}

// Of jobs with Dockerfiles of their own there is one note for each argument.
func TestUnusedArgsOfSeveralDockerfiles(t *testing.T) {
	t.Chdir(files(t, map[string]string{"a/Dockerfile": "FROM x\nARG ONE\n", "b/Dockerfile": "FROM x\nARG TWO\n", "c/Dockerfile": "# syntax=example.com/other\n"}))
	s := Spec{Context: "{{.id}}", PlainArgs: map[string]string{"TWOO": ""}, BuildArgs: map[string]string{"ONE": "{{.id}}"}}
	p, err := newPlan(t, s, jsonRows(t, `{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"--build-arg ONE: the Dockerfiles of 1 of the 3 jobs have no ARG of that name",
		"--build-arg TWOO: the Dockerfiles of 2 of the 3 jobs have no ARG of that name; did you mean TWO?",
	}
	if !slices.Equal(p.Notes, want) {
		t.Errorf("notes %q, want %q", p.Notes, want)
	}
}
