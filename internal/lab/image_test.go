package lab_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestImageHoldsWhatItSays(t *testing.T) {
	registry := labtest.Registry(t)
	image := lab.Image{
		Name:       "python:3.13",
		LayerBytes: []int64{5000, 0},
		Files:      map[string]string{"/uv": "uv\n", "/opt/tool/bin/run": "run\n"},
	}
	base := labtest.Image(t, registry, image)
	if want := registry.Host() + "/library/python:3.13"; base.Ref != want {
		t.Errorf("pushed as %s, want %s", base.Ref, want)
	}
	if got := base.At("docker.io"); got != "docker.io/library/python:3.13" {
		t.Errorf("at docker.io it is %s", got)
	}
	made, err := lab.PullImage(t.Context(), base.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(made); err != nil {
		t.Errorf("not a sound image: %v", err)
	}
	if len(base.Layers) != 4 {
		t.Errorf("%d layers, want the operating system, 2 of data and 1 of files", len(base.Layers))
	}
	files := labtest.Files(t, base.Ref)
	for path, want := range map[string]string{"/uv": "uv\n", "/opt/tool/bin/run": "run\n", "/os-release": "NAME=lab\n"} {
		if got := string(files[path].Content); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if got := files["/layers/1.data"].Size; got != 5000 {
		t.Errorf("layer 1 has %d bytes of data, want 5000", got)
	}
	if again := labtest.Image(t, registry, image); again.Digest != base.Digest {
		t.Error("the same image has another digest")
	}
}

func TestImageStandsOnShapesOperatingSystem(t *testing.T) {
	registry := labtest.Registry(t)
	shape := labtest.Bases(t, registry, tiny)[0]
	image := labtest.Image(t, registry, lab.Image{Name: "ubuntu", OSBytes: tiny.OSBytes, LayerBytes: []int64{1000}})
	if image.Layers[0] != shape.Layers[0] {
		t.Errorf("another operating system: %v and %v", image.Layers[0], shape.Layers[0])
	}
}

func TestImageFromAnother(t *testing.T) {
	registry := labtest.Registry(t)
	root := labtest.Image(t, registry, lab.Image{Name: "ubuntu:jammy", LayerBytes: []int64{1000}})
	child := lab.Image{Name: "example/child", From: root.Ref, LayerBytes: []int64{1000}}
	first := labtest.Image(t, registry, child)
	if len(first.Layers) != 3 || !slices.Equal(first.Layers[:2], root.Layers) {
		t.Errorf("layers %v do not stand on %v", first.Layers, root.Layers)
	}
	child.Seed = 2
	moved := labtest.Image(t, registry, child)
	if moved.Ref != first.Ref || moved.Digest == first.Digest || !slices.Equal(moved.Layers[:2], root.Layers) {
		t.Errorf("the tag %s moved from %v to %v", moved.Ref, first, moved)
	}
	if _, ok := labtest.Files(t, moved.Ref)["/layers/2.data"]; !ok {
		t.Error("the tag does not have its new layer")
	}
}

func TestOnBuildTriggersRun(t *testing.T) {
	registry := labtest.Registry(t)
	tool := labtest.Image(t, registry, lab.Image{Name: "example/tool", Files: map[string]string{"/tool": "tool\n"}})
	base := labtest.Image(t, registry, lab.Image{
		Name:    "example/onbuild",
		OnBuild: []string{"RUN echo triggered > /triggered", "COPY --from=" + tool.Ref + " /tool /copied"},
	})
	daemon := labtest.Buildkitd(t, registry)
	build := fromBase(t, base, "RUN cat /triggered /copied > /seen")
	build.Push = registry.Host() + "/built:1"
	if err := daemon.Build(t.Context(), build); err != nil {
		t.Fatal(err)
	}
	if got := string(labtest.Files(t, build.Push)["/seen"].Content); got != "triggered\ntool\n" {
		t.Errorf("the build saw %q of the triggers", got)
	}
}

// other is a platform that this machine is not.
func other() string {
	if runtime.GOARCH == "arm64" {
		return "linux/amd64"
	}
	return "linux/arm64"
}

func TestIndexOfTwoPlatforms(t *testing.T) {
	registry := labtest.Registry(t)
	index := labtest.Index(t, registry, "example/both:1",
		lab.Image{LayerBytes: []int64{1000}, Files: map[string]string{"/which": "own\n"}},
		lab.Image{Platform: other(), LayerBytes: []int64{1000}, Files: map[string]string{"/which": "other\n"}})
	own, foreign := index.Images[0], index.Images[1]
	for _, layer := range foreign.Layers {
		if slices.Contains(own.Layers, layer) {
			t.Errorf("both platforms have the layer %v", layer)
		}
	}
	checkIndex(t, index)

	daemon := labtest.Buildkitd(t, registry)
	for platform, want := range map[string]string{"": "own\n", other(): "other\n"} {
		build := fromBase(t, lab.Base{Ref: index.Ref}, "COPY Dockerfile /copied")
		build.Platform, build.Push = platform, registry.Host()+"/built:1"
		if err := daemon.Build(t.Context(), build); err != nil {
			t.Errorf("platform %q: %v", platform, err)
			continue
		}
		if got := string(labtest.Files(t, build.Push)["/which"].Content); got != want {
			t.Errorf("platform %q was built on %q, want %q", platform, got, want)
		}
	}
}

// checkIndex compares what the registry has with what the index was said to be.
func checkIndex(t *testing.T, index lab.Index) {
	t.Helper()
	ref, err := name.ParseReference(index.Ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(stored); err != nil {
		t.Errorf("not a sound index: %v", err)
	}
	manifest, err := stored.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if digest, err := stored.Digest(); err != nil || digest.String() != index.Digest {
		t.Errorf("digest %v, want %s", digest, index.Digest)
	}
	for i, platform := range []string{"linux/" + runtime.GOARCH, other()} {
		entry := manifest.Manifests[i]
		if entry.Platform.String() != platform || entry.Digest.String() != index.Images[i].Digest {
			t.Errorf("image %d is %s for %s, want %s for %s", i, entry.Digest, entry.Platform, index.Images[i].Digest, platform)
		}
	}
}

func TestOtherPlatformOnly(t *testing.T) {
	registry := labtest.Registry(t)
	index := labtest.Index(t, registry, "example/only:index", lab.Image{Platform: other()})
	single := labtest.Image(t, registry, lab.Image{Name: "example/only:image", Platform: other()})
	image, err := lab.PullImage(t.Context(), single.Ref)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := (v1.Platform{OS: config.OS, Architecture: config.Architecture}).String(); got != other() {
		t.Errorf("the image is for %s", got)
	}
	daemon := labtest.Buildkitd(t, registry)
	build := fromBase(t, lab.Base{Ref: index.Ref}, "COPY Dockerfile /copied")
	if err := daemon.Build(t.Context(), build); err == nil || !strings.Contains(err.Error(), "no match for platform") {
		t.Errorf("built for this machine: %v", err)
	}
	for _, ref := range []string{index.Ref, single.Ref} {
		build := fromBase(t, lab.Base{Ref: ref}, "COPY Dockerfile /copied")
		build.Platform = other()
		if err := daemon.Build(t.Context(), build); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
}
