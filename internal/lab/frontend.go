package lab

import (
	"context"
	"fmt"
	"os"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Frontend is a version of the Dockerfile frontend: the program in the image that a syntax line
// names ("# syntax=docker/dockerfile:1.7").
type Frontend string

// The frontends that `make setup` builds, by the names of their programs.
const (
	// FrontendCurrent is of the BuildKit that the lab runs.
	FrontendCurrent Frontend = "dockerfile-frontend"
	// Frontend17 is of BuildKit v0.13, docker/dockerfile:1.7.
	Frontend17 Frontend = "dockerfile-frontend-1.7"
)

// dockerIO are the frontends that docker.io has in the lab.
var dockerIO = map[string]Frontend{
	"docker/dockerfile:1":   FrontendCurrent,
	"docker/dockerfile:1.7": Frontend17,
}

// PushFrontends pushes docker/dockerfile:1, of the BuildKit that the lab runs, and
// docker/dockerfile:1.7 to a registry. A daemon that has it as a mirror of docker.io then builds
// Dockerfiles with these syntax lines.
func PushFrontends(ctx context.Context, host string) error {
	for public, frontend := range dockerIO {
		if _, err := PushFrontend(ctx, host, public, frontend); err != nil {
			return err
		}
	}
	return nil
}

// caps is what a frontend says that it can, as its image does on docker.io (the Dockerfile in
// BuildKit's frontend/dockerfile/cmd/dockerfile-frontend, at the frontend's version).
func (f Frontend) caps() string {
	const since17 = "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts"
	if f == Frontend17 {
		return since17
	}
	return since17 + ",moby.buildkit.frontend.gitquerystring,moby.buildkit.frontend.contexts.zstd"
}

// PushFrontend pushes the image of a frontend to a registry, as it is on docker.io: nothing but
// the program, with the labels by which BuildKit runs it. public is its reference there
// ("docker/dockerfile:1.7"), of which the registry's part is left out.
func PushFrontend(ctx context.Context, host, public string, frontend Frontend) (Base, error) {
	layerOf, ok := frontendLayers[frontend]
	if !ok {
		return Base{}, fmt.Errorf("there is no frontend %q", frontend)
	}
	l, err := layerOf()
	if err != nil {
		return Base{}, err
	}
	image, err := imageOf(machine(), v1.Config{
		Env:        []string{defaultPath},
		Entrypoint: []string{"/bin/dockerfile-frontend"},
		WorkingDir: "/",
		Labels: map[string]string{
			"moby.buildkit.frontend.network.none": "true",
			"moby.buildkit.frontend.caps":         frontend.caps(),
		},
	}, l)
	if err != nil {
		return Base{}, err
	}
	m, tag, err := makerAt(host, public)
	if err != nil {
		return Base{}, err
	}
	return m.pushImage(ctx, Base{Name: public}, tag, image)
}

// frontendLayers are the layers of the frontends' images. Each is made once in a process, since
// compressing it takes seconds where races are looked for.
var frontendLayers = map[Frontend]func() (*layer, error){
	FrontendCurrent: sync.OnceValues(FrontendCurrent.layer),
	Frontend17:      sync.OnceValues(Frontend17.layer),
}

func (f Frontend) layer() (*layer, error) {
	path, err := findTool(string(f))
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return newLayer([]entry{
		{path: "bin/"},
		{path: "bin/dockerfile-frontend", text: program, mode: 0o755},
	}, 0, true)
}
