package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	const stages = "ARG BASE_IMAGE\nFROM golang:1 AS builder\nRUN make\nFROM ${BASE_IMAGE} AS main\nCOPY --from=builder /x /x\n"
	tests := []struct {
		name, dockerfile, target string
		says                     string // empty where it is good
	}{
		{"the usual", dockerfile, "", ""},
		{"the stage that stands on the base", stages, "main", ""},
		{"a stage that does not", stages, "builder", `ARG BASE_IMAGE makes no difference to the stage "builder"`},
		{"not declared", "FROM debian\nRUN true\n", "", "never declares ARG BASE_IMAGE"},
		{"declared but unused", "ARG BASE_IMAGE\nFROM debian\nRUN echo $BASE_IMAGE\n", "", "ARG BASE_IMAGE makes no difference to what is built"},
		{"declared in the stage but unused", "FROM debian\nARG BASE_IMAGE\nCOPY x x\n", "", "makes no difference"},
		{"copied into a stage that does not", "ARG BASE_IMAGE\nFROM debian\nCOPY x x\nADD y y\nWORKDIR /w\nRUN --mount=type=bind,target=/m true\n", "", "makes no difference"},
		{"used by a step", "FROM debian\nARG BASE_IMAGE\nRUN echo $BASE_IMAGE\n", "", ""},
		{"used by a label", "FROM debian\nARG BASE_IMAGE\nLABEL base=$BASE_IMAGE\n", "", ""},
		{"copied from", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS base\nFROM debian\nCOPY --from=base /etc /x\n", "", ""},
		{"as a tag", "ARG BASE_IMAGE\nFROM python:${BASE_IMAGE}\n", "", ""},
		{"as a path", "ARG BASE_IMAGE\nFROM r.example/${BASE_IMAGE}:v1\n", "", ""},
		{"as an early stage's base only", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS unused\nFROM debian\n", "", "makes no difference"},
		{"a blank base", "ARG BASE_IMAGE\nARG OTHER\nFROM ${OTHER} AS other\nFROM ${BASE_IMAGE}\nCOPY --from=other /x /\n", "", "should not be blank"},
		{"no such stage", dockerfile, "release", `no stage is named "release"`},
		{"no stages", "ARG BASE_IMAGE\n", "", "no stages"},
		{"unknown instruction", "ARG BASE_IMAGE\nFORM ${BASE_IMAGE}\n", "", "unknown instruction"},

		{"docker/dockerfile: the usual", "# syntax=docker/dockerfile:1.7\n" + dockerfile, "", ""},
		{"docker/dockerfile: unused", "# syntax=docker.io/docker/dockerfile:1\nARG BASE_IMAGE\nFROM debian\n", "", "makes no difference"},
		{"docker/dockerfile: a stage that does not", "# syntax=docker/dockerfile:1.7\n" + stages, "builder", "makes no difference"},
		{"docker/dockerfile: what is not known yet", "# syntax=docker/dockerfile:9\nFROM debian\nLATER x\n", "", ""},
		{"another syntax", "# syntax=example.com/other\nMAKE it so\n", "", ""},
		{"another syntax that looks alike", "# syntax=example.com/dockerfile\nFROM debian\n", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.dockerfile)
			s.Target = tt.target
			_, err := newPlan(t, s, images("debian"))
			wantInputError(t, err, tt.says)
		})
	}
	t.Run("another syntax by argument", func(t *testing.T) {
		s := spec(t, "FROM debian\n")
		s.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": "example.com/other"}
		if _, err := newPlan(t, s, images("debian")); err != nil {
			t.Error(err)
		}
	})
}

func TestReads(t *testing.T) {
	s := spec(t, "ARG BASE_IMAGE\nFROM r.example/made:1 AS made\nFROM unused\nFROM ${BASE_IMAGE}\nCOPY --from=made /x /x\nRUN --mount=from=r.example/tool,target=/t true\n")
	p, err := newPlan(t, s, images("debian:12"))
	if err != nil {
		t.Fatal(err)
	}
	got := p.Jobs[0].Reads(t.Context())
	slices.Sort(got)
	if want := []string{"docker.io/library/debian:12", "r.example/made:1", "r.example/tool:latest"}; !slices.Equal(got, want) {
		t.Errorf("it reads %q, want %q", got, want)
	}
	s = spec(t, "# syntax=example.com/other\nMAKE it so\n")
	if p, err = newPlan(t, s, images("debian:12")); err != nil {
		t.Fatal(err)
	}
	got = p.Jobs[0].Reads(t.Context())
	if want := []string{"example.com/other", "debian:12"}; !slices.Equal(slices.Compact(got), want) {
		t.Errorf("of another syntax it may read %q, want what the input names: %q", got, want)
	}
}

// wantInputError holds an error against what an InputError should say; empty for
// no error.
func wantInputError(t *testing.T, err error, says ...string) {
	t.Helper()
	var input *InputError
	if len(says) == 0 || says[0] == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.As(err, &input) {
		t.Fatalf("error %v, want an InputError that says %q", err, says)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}
