package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/docker/buildx/build"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func reads(t *testing.T, text string, change func(*Job)) (Reads, error) {
	t.Helper()
	s := spec(t, text)
	s.BuildArgs = map[string]string{"TOOLS": "r.example/tools:3"}
	p, err := newPlan(t, s, images("r.example/base:1"))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(p.Jobs[0])
	}
	return p.Jobs[0].Reads(t.Context(), ocispecs.Platform{OS: "linux", Architecture: "amd64"})
}

const manyBases = `ARG BASE_IMAGE
ARG TOOLS
FROM golang:1 AS unused
RUN go build
FROM ${TOOLS} AS tools
FROM r.example/other AS other
RUN make
FROM $BASE_IMAGE AS main
COPY --from=tools /bin/tool /bin/
COPY --from=alpine:3 /etc/x /etc/
RUN --mount=type=bind,from=r.example/mounted:9,target=/m --mount=type=cache,target=/c echo $HOME && make all
ADD a b
FROM main AS last
COPY --from=other /x /y
COPY --link z /z
`

func TestReads(t *testing.T) {
	tests := []struct {
		name, target string
		change       func(*Job)
		want         string
	}{
		{"what the target reaches", "main", nil, "docker.io/library/alpine:3 r.example/base:1 r.example/mounted:9 r.example/tools:3"},
		{"an early stage", "tools", nil, "r.example/tools:3"},
		{"the last stage", "", nil, "docker.io/library/alpine:3 r.example/base:1 r.example/mounted:9 r.example/other:latest r.example/tools:3"},
		{"a named context", "tools", func(j *Job) {
			j.Options.Inputs.NamedContexts = map[string]build.NamedContext{"x": {Path: "docker-image://busybox"}}
		}, "docker.io/library/busybox:latest r.example/tools:3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := reads(t, manyBases, func(j *Job) {
				j.Options.Target = tt.target
				if tt.change != nil {
					tt.change(j)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got.Bases, " ") != tt.want {
				t.Errorf("bases %q\nwant  %q", got.Bases, tt.want)
			}
		})
	}
}

// The descriptions are as a real builder of v0.34.2 lists them; the tests of
// the sweep hold them against one.
func TestSteps(t *testing.T) {
	got, err := reads(t, manyBases, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"mount / from exec /bin/sh -c echo $HOME && make all",
		"mount / from exec /bin/sh -c make",
		"[main 5/5] ADD a b",
		"[last 1/2] COPY --from=other /x /y",
		"[last 2/2] COPY --link z /z",
		"[last 2/2] LINK COPY --link z /z",
	} {
		if !slices.Contains(got.Steps, want) {
			t.Errorf("steps %q lack %q", got.Steps, want)
		}
	}
}

func TestOpaque(t *testing.T) {
	for name, text := range map[string]string{
		"foreign syntax": "# syntax=example.com/other\nARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n",
	} {
		if _, err := reads(t, text, nil); !errors.Is(err, ErrOpaque) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := reads(t, dockerfile, func(j *Job) {
		j.Options.Inputs.NamedContexts = map[string]build.NamedContext{"x": {Path: "target:other"}}
	}); !errors.Is(err, ErrOpaque) {
		t.Errorf("a target as context: error %v", err)
	}
}
