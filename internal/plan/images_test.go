package plan

import (
	"fmt"
	"slices"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestBaseImages(t *testing.T) {
	own := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	const shared = "ARG BASE_IMAGE\nFROM golang:1 AS tools\nFROM unused AS unused\nFROM ${BASE_IMAGE}\nCOPY --from=tools /x /x\nCOPY --from=busybox /y /y\n"
	tests := []struct {
		name, dockerfile string
		change           func(*Spec)
		want             string
	}{
		{"of all stages that count", shared, nil, "[{docker.io/library/busybox:latest linux/amd64} {docker.io/library/debian:latest linux/amd64} {docker.io/library/golang:1 linux/amd64}]"},
		{"of one target", "ARG BASE_IMAGE\nFROM golang:1 AS tools\nFROM ${BASE_IMAGE} AS mine\nFROM tools\n", func(s *Spec) { s.Target = "mine" }, "[{docker.io/library/debian:latest linux/amd64}]"},
		{"for several platforms", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", func(s *Spec) { s.Platforms = []string{"linux/arm64,linux/386"} },
			"[{docker.io/library/debian:latest linux/386} {docker.io/library/debian:latest linux/arm64}]"},
		{"for a platform of its own", "ARG BASE_IMAGE\nFROM --platform=linux/s390x ${BASE_IMAGE}\n", nil, "[{docker.io/library/debian:latest linux/s390x}]"},
		{"of another syntax", "# syntax=example/frontend\nARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", nil, "[]"},
		{"with named contexts", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", func(s *Spec) { s.Contexts = []string{"debian=docker-image://other"} }, "[{docker.io/library/other:latest linux/amd64}]"},
		{"a context in a stage's place", "ARG BASE_IMAGE\nFROM golang AS tools\nFROM ${BASE_IMAGE}\nCOPY --from=tools /x /x\nCOPY --from=dir /x /y\n", func(s *Spec) {
			s.Contexts = []string{"tools=docker-image://other:1", "dir=.", "unused=docker-image://unused"}
		},
			"[{docker.io/library/debian:latest linux/amd64} {docker.io/library/other:1 linux/amd64}]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.dockerfile, "r.example/a:{{.Index}}")
			if tt.change != nil {
				tt.change(&s)
			}
			p, err := newPlan(t, s, images("debian"))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(p.Jobs[0].BaseImages(t.Context(), own)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestLineOf(t *testing.T) {
	s := &Source{dockerfile: []byte("ARG X=debian:13\n# none\nFROM debian AS a\nCOPY --from=r.example/tool:1 /x /x\nRUN --mount=from=other,target=/x true\n")}
	for image, want := range map[string]int{"docker.io/library/debian:latest": 3, "docker.io/library/debian:13": 1, "r.example/tool:1": 4, "docker.io/library/other:latest": 5, "docker.io/library/a-b:1": 0} {
		if got := s.LineOf(image); got != want {
			t.Errorf("%s is in line %d, want %d", image, got, want)
		}
	}
}

func TestPushedTo(t *testing.T) {
	for _, tt := range []struct {
		change func(*Spec)
		want   []string
	}{
		{func(s *Spec) {}, nil},
		{func(s *Spec) { s.Push = true }, []string{"r.example/a:debian"}},
		{func(s *Spec) { s.Outputs = []string{"type=image,push=true"} }, []string{"r.example/a:debian"}},
		{func(s *Spec) {
			s.TagTemplates, s.Outputs = nil, []string{`type=image,"name=r.example/b:1,r.example/c:1",push=true`}
		}, []string{"r.example/b:1", "r.example/c:1"}},
		{func(s *Spec) {
			s.Outputs, s.CacheTo = []string{"type=cacheonly"}, []string{"type=registry,ref=r.example/cache:1"}
		}, []string{"r.example/cache:1"}},
	} {
		s := spec(t, dockerfile, "r.example/a:{{.Name}}")
		tt.change(&s)
		p, err := newPlan(t, s, images("debian"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Jobs[0].PushedTo(); !slices.Equal(got, tt.want) {
			t.Errorf("%v, want %v", got, tt.want)
		}
	}
}
