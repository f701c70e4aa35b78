package presets

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/jsonlines"
)

// Of its sample rows each preset makes the base images that the dataset has.
func TestSamples(t *testing.T) {
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			if p.About == "" || len(p.Source) == 0 || len(p.Samples) == 0 || p.Flags["base"] == "" {
				t.Fatalf("something is missing: %+v", p)
			}
			var lines bytes.Buffer
			for _, s := range p.Samples {
				if err := json.NewEncoder(&lines).Encode(s.Row); err != nil {
					t.Fatal(err)
				}
			}
			made, err := rows.Collect(p.Name, jsonlines.New(&lines))
			if err != nil {
				t.Fatal(err)
			}
			jobs, err := plan.New(plan.Spec{Context: context(t), Base: p.Flags["base"], BaseArg: "BASE_IMAGE", TagTemplates: []string{"registry.example/agent:{{.Index}}"}}, made)
			if err != nil {
				t.Fatal(err)
			}
			defer jobs.Close()
			for i, s := range p.Samples {
				want, err := imageref.Parse(s.Base)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := imageref.Parse(jobs.Jobs[i].Base); err != nil || got.String() != want.String() {
					t.Errorf("row %v: %s (%v), want %s", s.Row, jobs.Jobs[i].Base, err, s.Base)
				}
			}
		})
	}
}

func context(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY Dockerfile /\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUnknown(t *testing.T) {
	for _, name := range []string{"", "nothing", "../presets", "swe-bench.yaml"} {
		if p, err := Get(name); err == nil {
			t.Errorf("%q is %+v", name, p)
		}
	}
}
