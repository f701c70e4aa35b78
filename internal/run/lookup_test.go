package run

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/plan"
)

// full is a registry that has every image.
type full struct{}

func (full) Exists(context.Context, string) (digest string, exists bool, err error) {
	return "sha256:0", true, nil
}

// A job is done where the registry has its image, unless more than that is wanted.
func TestWhatTheRegistryHas(t *testing.T) {
	pushed := client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{"push": "true"}}
	kept := client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{}}
	archive := client.ExportEntry{Type: client.ExporterOCI, Attrs: map[string]string{}}
	for i, tt := range []struct {
		exports []client.ExportEntry
		skipped bool
	}{
		{[]client.ExportEntry{pushed}, true},
		{[]client.ExportEntry{archive}, false},
		{[]client.ExportEntry{pushed, archive}, false},
		{[]client.ExportEntry{kept}, false},
		{nil, false},
	} {
		p := &plan.Plan{BatchSize: 15, Jobs: []*plan.Job{{Name: "job", Tags: []string{"r.example/a:1"}, Options: build.Options{Exports: tt.exports}}}}
		record, _, err := ledger.Start(filepath.Join(t.TempDir(), fmt.Sprint(i)), ledger.StartOptions{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		b := &steps{ok: func(string, int) bool { return true }, attempts: map[string]int{}}
		s, err := Run(t.Context(), Options{Plan: p, Builder: b, Nodes: []Node{nodetest.New("one", 0)}, Ledger: record, Registries: RegistryOptions{Tags: full{}}, Workers: 1, MaxFailures: -1, Prune: node.PruneOptions{Policy: node.PruneOff, Pause: time.Second, Timeout: time.Second}})
		record.Close()
		if err != nil || (s.Skipped == 1) != tt.skipped || s.Built+s.Skipped != 1 {
			t.Errorf("%v: %d skipped, %d built (%v)", tt.exports, s.Skipped, s.Built, err)
		}
	}
}
