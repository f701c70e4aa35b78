package lab_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// BuildKit gives a Dockerfile as an input to those frontends only whose image says that they can
// take it.
func TestFrontendsTakeInputs(t *testing.T) {
	registry := labtest.Registry(t)
	labtest.Frontends(t, registry)
	base := labtest.Image(t, registry, lab.Image{Name: "python:3.13"})
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: lab.Mirrored(registry.Host(), "docker.io")})
	want := []string{
		"docker-image://" + base.At("docker.io") + "@" + base.Digest,
		"/bin/sh -c echo hello > /hello",
	}
	for _, frontend := range []string{"docker/dockerfile:1", "docker/dockerfile:1.7"} {
		def, err := definition(t, daemon, frontend, "FROM python:3.13\nRUN echo hello > /hello\n")
		if err != nil {
			t.Errorf("%s: %v", frontend, err)
			continue
		}
		if got := steps(t, def); !slices.Equal(got, want) {
			t.Errorf("%s: steps %q, want %q", frontend, got, want)
		}
	}
}

func TestUnknownFrontend(t *testing.T) {
	_, err := lab.PushFrontend(t.Context(), labtest.Registry(t).Host(), "docker/dockerfile:0", "none")
	if err == nil || !strings.Contains(err.Error(), `no frontend "none"`) {
		t.Errorf("got %v", err)
	}
}

// definition is what a frontend's image makes of a Dockerfile, without a step being run.
func definition(t *testing.T, daemon *lab.Buildkitd, frontend, dockerfile string) (def *llb.Definition, err error) {
	t.Helper()
	c, err := daemon.Client(t.Context())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	input, err := llb.Scratch().File(llb.Mkfile("Dockerfile", 0o644, []byte(dockerfile))).Marshal(t.Context())
	if err != nil {
		return nil, err
	}
	solve := func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		result, err := c.Solve(ctx, gateway.SolveRequest{
			Frontend:       "gateway.v0",
			FrontendOpt:    map[string]string{"source": frontend, "cmdline": frontend},
			FrontendInputs: map[string]*pb.Definition{"dockerfile": input.ToPB()},
		})
		if err != nil {
			return nil, err
		}
		ref, err := result.SingleRef()
		if err != nil {
			return nil, err
		}
		state, err := ref.ToState()
		if err != nil {
			return nil, err
		}
		def, err = state.Marshal(ctx)
		return gateway.NewResult(), err
	}
	_, err = c.Build(t.Context(), client.SolveOpt{}, "", solve, nil)
	return def, err
}

// steps are the images that a definition reads and the commands that it runs.
func steps(t *testing.T, def *llb.Definition) []string {
	t.Helper()
	var out []string
	for _, bytes := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(bytes); err != nil {
			t.Fatal(err)
		}
		if source := op.GetSource(); source != nil {
			out = append(out, source.Identifier)
		}
		if exec := op.GetExec(); exec != nil {
			out = append(out, strings.Join(exec.Meta.Args, " "))
		}
	}
	return out
}
