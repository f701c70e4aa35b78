package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	dockerclient "github.com/moby/moby/client"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// Stoker builds its own image, and in a container of that image it builds another
// with a private builder.
func TestImage(t *testing.T) {
	registry := labtest.Registry(t)
	labtest.BuildKit(t, registry)
	daemon := labtest.Buildkitd(t, registry)
	bases := labtest.Bases(t, registry, lab.Shape{Instances: lab.Instances(1, 2), OSBytes: 1 << 10, EnvBytes: 1 << 10, OwnBytes: 1 << 10})

	dir := t.TempDir()
	stoker := labtest.Stoker(t)
	context := filepath.Join(dir, "context", "linux", runtime.GOARCH)
	program, err := os.ReadFile(stoker)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(context, "stoker"), string(program))
	put(t, filepath.Join(dir, "buildkit.txt"), registry.Host()+"/moby/buildkit:buildx-stable-1\n")
	image := registry.Host() + "/stoker:1"
	build := exec.CommandContext(t.Context(), stoker, "build", "--builder", daemon.Addr(), "--images", filepath.Join(dir, "buildkit.txt"),
		"--base-arg", "BUILDKIT_IMAGE", "-f", filepath.Join(root, "Dockerfile"), "-t", image, "--push", "--progress", "plain",
		"--output-dir", filepath.Join(dir, "out"), "--state-dir", filepath.Join(dir, "state"), filepath.Join(dir, "context"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the image: %v\n%s", err, out)
	}

	work := filepath.Join(dir, "work")
	put(t, filepath.Join(work, "bases.txt"), bases[0].Ref+"\n"+bases[1].Ref+"\n")
	put(t, filepath.Join(work, "agent", "Dockerfile"), "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo ready > /ready\n")
	docker := labtest.Dockerd(t, "", registry)
	code, out := runIn(t, docker.API(), image, work, "build", "--images", "bases.txt",
		"-t", registry.Host()+"/inner/{{.Name}}:1", "--push", "--progress", "plain", "agent")
	if code != 0 || !strings.Contains(out, "private") {
		t.Fatalf("exit code %d in the container\n%s", code, out)
	}
	for _, base := range bases {
		inner := registry.Host() + "/inner/" + filepath.Base(strings.TrimSuffix(base.Ref, ":latest")) + ":1"
		if ready := labtest.Files(t, inner)["/ready"]; string(ready.Content) != "ready\n" {
			t.Errorf("%s has %q in /ready", inner, ready.Content)
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// runIn runs an image as "docker run --privileged --network host -v WORK:/work".
func runIn(t *testing.T, api *dockerclient.Client, image, work string, args ...string) (code int64, output string) {
	t.Helper()
	ctx := t.Context()
	pulled, err := api.ImagePull(ctx, image, dockerclient.ImagePullOptions{})
	if err == nil {
		err = pulled.Wait(ctx)
	}
	if err != nil {
		t.Fatalf("pull %s: %v", image, err)
	}
	made, err := api.ContainerCreate(ctx, dockerclient.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Cmd: args},
		HostConfig: &container.HostConfig{Privileged: true, NetworkMode: "host", Binds: []string{work + ":/work"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.ContainerStart(ctx, made.ID, dockerclient.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	end := api.ContainerWait(ctx, made.ID, dockerclient.ContainerWaitOptions{})
	select {
	case err := <-end.Error:
		t.Fatal(err)
	case response := <-end.Result:
		code = response.StatusCode
	}
	logs, err := api.ContainerLogs(ctx, made.ID, dockerclient.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	var text strings.Builder
	if _, err := stdcopy.StdCopy(&text, &text, logs); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return code, text.String()
}
