package lab_test

import (
	"fmt"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestPhasesBuild(t *testing.T) {
	registry := labtest.Registry(t)
	for _, image := range lab.PhasesImages() {
		labtest.Image(t, registry, image)
	}
	bases := labtest.Bases(t, registry, tiny)
	labtest.Frontends(t, registry)
	daemon := labtest.BuildkitdWith(t, lab.BuildkitdOptions{Upstreams: lab.Mirrored(registry.Host(), "docker.io", "ghcr.io")})
	tally := labtest.Tally(t)
	dir := t.TempDir()
	err := lab.WritePhases(dir, lab.Phases{Syntax: "docker/dockerfile:1.7", ToolBytes: 3000, PackageBytes: 2000, Tally: tally})
	if err != nil {
		t.Fatal(err)
	}
	builder := registry.Host() + "/phases/builder:1"
	build := func(b lab.Build) {
		t.Helper()
		b.Dir = dir
		if err := daemon.Build(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	build(lab.Build{Target: "builder", Push: builder})
	for i, base := range bases[:2] {
		minimal := fmt.Sprintf("%s/phases/base:%d", registry.Host(), i)
		thin := fmt.Sprintf("%s/phases/thin:%d", registry.Host(), i)
		build(lab.Build{Target: "base-image-minimal", Push: minimal, Args: map[string]string{"BASE_IMAGE": base.At("docker.io")}})
		build(lab.Build{Dockerfile: lab.AssemblyDockerfile, Push: thin, Args: map[string]string{
			"BASE_IMAGE": minimal, "BUILDER_IMAGE": builder,
		}})
		whole := fmt.Sprintf("%s/phases/whole:%d", registry.Host(), i)
		build(lab.Build{Target: "source-minimal", Push: whole, Args: map[string]string{"BASE_IMAGE": base.At("docker.io")}})
		for _, ref := range []string{thin, whole} {
			files := labtest.Files(t, ref)
			for path, size := range map[string]int64{
				"/agent-server/runtime":     3016,
				"/agent-server/src/main.py": 15,
				"/agent-server/lib/main.py": 15,
				"/var/packages":             2016,
				"/testbed/own.0.data":       1000,
			} {
				if got, ok := files[path]; !ok || got.Size != size {
					t.Errorf("%s: %s has %d bytes, want %d", ref, path, got.Size, size)
				}
			}
		}
	}
	if got := tally.Counts(); got["tools"] != 1 || got["packages"] != 2 {
		t.Errorf("the steps ran %v times, want tools once and packages on each base", got)
	}
	build(lab.Build{}) // on debian:12, as the Dockerfile has it
}
