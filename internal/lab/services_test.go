package lab_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

func TestServices(t *testing.T) {
	registry := labtest.Registry(t)
	base := labtest.Image(t, registry, lab.Image{Name: "node:22"})
	tally := labtest.Tally(t)
	dir := t.TempDir()
	services, err := lab.WriteServices(dir, lab.Services{
		Count: 3, Base: base.Ref, Repo: registry.Host() + "/services", SharedBytes: 1000, OwnBytes: 2000, Tally: tally,
	})
	if err != nil {
		t.Fatal(err)
	}
	var bake struct {
		Group  map[string]struct{ Targets []string }
		Target map[string]struct {
			Context string
			Tags    []string
		}
	}
	if err := json.Unmarshal([]byte(read(t, dir, lab.BakeFile)), &bake); err != nil {
		t.Fatal(err)
	}
	if want := []string{"service-0", "service-1", "service-2"}; !reflect.DeepEqual(bake.Group["default"].Targets, want) {
		t.Errorf("the default group is %v", bake.Group["default"])
	}
	daemon := labtest.Buildkitd(t, registry)
	images := map[string][]string{}
	for _, service := range services {
		target := bake.Target[service.Name]
		if target.Context != service.Dir || !reflect.DeepEqual(target.Tags, []string{service.Tag}) {
			t.Errorf("target %s is %v, want %v", service.Name, target, service)
		}
		if err := daemon.Build(t.Context(), lab.Build{Dir: filepath.Join(dir, target.Context), Push: target.Tags[0]}); err != nil {
			t.Fatal(err)
		}
		images[service.Tag] = service.Runs
		if got := labtest.Files(t, service.Tag)["/service/program"].Size; got != 2016 {
			t.Errorf("%s: own file has %d bytes, want 2016", service.Name, got)
		}
	}
	once := func(string) int { return 1 }
	checkCounts(t, "runs", tally.Counts(), 4, once)
	checkCounts(t, "layers", layersOfRuns(t, images), 4, once)
}
