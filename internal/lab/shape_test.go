package lab_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestBasesAreDeterministicAndShareLayers(t *testing.T) {
	shape := lab.Shape{Instances: lab.Instances(2, 3), OSBytes: 5000, EnvBytes: 7001, EnvLayers: 2, OwnBytes: 3001, OwnFiles: 2, Seed: 7}
	first := labtest.Bases(t, labtest.Registry(t), shape)
	again := labtest.Bases(t, labtest.Registry(t), shape)
	shape.Seed = 8
	other := labtest.Bases(t, labtest.Registry(t), shape)
	owner := map[string]string{} // of own layers
	for i, base := range first {
		if base.Name != shape.Instances[i] || len(base.Layers) != 4 {
			t.Fatalf("image %d: %+v", i, base)
		}
		if base.Digest != again[i].Digest || !reflect.DeepEqual(base.Layers, again[i].Layers) {
			t.Errorf("%s differs from itself", base.Name)
		}
		if base.Digest == other[i].Digest {
			t.Errorf("%s does not depend on the seed", base.Name)
		}
		if base.Layers[0] != first[0].Layers[0] {
			t.Errorf("%s has another operating system", base.Name)
		}
		shared := slices.Equal(base.Layers[1:3], first[0].Layers[1:3])
		if shared != (base.Project == first[0].Project) {
			t.Errorf("%s shares the environment of %s: %v", base.Name, first[0].Name, shared)
		}
		own := base.Layers[3].Digest
		if owner[own] != "" {
			t.Errorf("%s and %s have the same own layer", base.Name, owner[own])
		}
		owner[own] = base.Name
	}
}

func TestBaseHoldsWhatItsShapeSays(t *testing.T) {
	registry := labtest.Registry(t)
	shape := lab.Shape{Instances: lab.Instances(1, 2), OSBytes: 5000, EnvBytes: 3 << 20, OwnBytes: 3001, OwnFiles: 2}
	base := labtest.Bases(t, registry, shape)[1]
	image, err := lab.PullImage(t.Context(), base.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image); err != nil {
		t.Errorf("not a sound image: %v", err)
	}
	files := labtest.Files(t, base.Ref)
	for path, size := range map[string]int64{
		"/usr/lib/os.data":                        5000,
		"/env/project01__project01.0.data":        3 << 20,
		"/testbed/own.0.data":                     1501,
		"/testbed/own.1.data":                     1500,
		"/testbed/project01__project01-10002.txt": 27,
	} {
		if got := files[path].Size; got != size {
			t.Errorf("%s has %d bytes, want %d", path, got, size)
		}
	}
	if got := files["/bin/sh"].Link; got != "busybox" {
		t.Errorf("/bin/sh links to %q", got)
	}
	if env := base.Layers[1]; env.Size < shape.EnvBytes {
		t.Errorf("the environment layer has %d bytes: its content compresses", env.Size)
	}
}

func TestCompressibleShape(t *testing.T) {
	shape := lab.Shape{Instances: lab.Instances(1, 1), OwnBytes: 200_000, Compressible: true}
	base := labtest.Bases(t, labtest.Registry(t), shape)[0]
	if own := base.Layers[2]; own.Size > 150_000 {
		t.Errorf("200000 bytes take %d", own.Size)
	}
}

func TestManyTinyBasesUploadSharedLayersOnce(t *testing.T) {
	registry := labtest.Registry(t)
	shape := lab.Shape{Instances: lab.Instances(4, 25), OwnBytes: 1000}
	_, err := lab.MakeBases(t.Context(), registry.Host(), shape)
	labtest.Made(t, "make base images", err)
	got := registry.Requests()
	// One operating system and four environments; per image its own layer and configuration.
	if want := 1 + 4 + 2*100; got.Uploads() != want {
		t.Errorf("%d uploads, want %d", got.Uploads(), want)
	}
	if want := 2 * 100; got.Mounts != want {
		t.Errorf("%d mounts, want %d", got.Mounts, want)
	}
}

func TestPushFailureIsTold(t *testing.T) {
	registry := labtest.Registry(t)
	registry.Inject(lab.Fault{Repo: "swebench/project01__project01-10002", Status: 403})
	_, err := lab.MakeBases(t.Context(), registry.Host(), tiny)
	if err == nil || !strings.Contains(err.Error(), "project01__project01-10002") {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(path, []byte("# names\na__a-1\n\na__a-2\na__a-3\nb__b-x-1\nc__c-1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	names, err := lab.ReadInstances(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a__a-1", "a__a-2", "a__a-3", "b__b-x-1", "c__c-1"}; !slices.Equal(names, want) {
		t.Errorf("read %v", names)
	}
	for n, want := range map[int][]string{
		0:  nil,
		2:  {"a__a-1", "b__b-x-1"},
		4:  {"a__a-1", "a__a-2", "b__b-x-1", "c__c-1"},
		99: names,
	} {
		if got := lab.Spread(names, n); !slices.Equal(got, want) {
			t.Errorf("%d of them: %v, want %v", n, got, want)
		}
	}
	if got := lab.Project("b__b-x-1"); got != "b__b-x" {
		t.Errorf("project %q", got)
	}
}
