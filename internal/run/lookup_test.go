package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/buildx/build"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/node/nodetest"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/redact"
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
		exports  []client.ExportEntry
		cutShort string
		skipped  bool
	}{
		{[]client.ExportEntry{pushed}, "", true},
		{[]client.ExportEntry{pushed}, "another", true},
		{[]client.ExportEntry{pushed}, "job", true},
		{[]client.ExportEntry{archive}, "job", false},
		{[]client.ExportEntry{pushed, archive}, "", false},
		{[]client.ExportEntry{kept}, "", false},
		{nil, "", false},
	} {
		p := &plan.Plan{BatchSize: 15, Jobs: []*plan.Job{{Source: &plan.Source{}, Name: "job", Tags: []string{"r.example/a:1"}, Options: build.Options{Exports: tt.exports}}}}
		record, _, err := ledger.Start(filepath.Join(t.TempDir(), fmt.Sprint(i)), ledger.StartOptions{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		b := &steps{ok: func(string, int) bool { return true }, attempts: map[string]int{}}
		s, err := Run(t.Context(), Options{Plan: p, Builder: b, Nodes: []Node{nodetest.New("one", 0)}, Ledger: record, Registries: RegistryOptions{Tags: full{}}, Resume: ResumeOptions{CutShort: []string{tt.cutShort}}, Workers: 1, MaxFailures: -1, Prune: node.PruneOptions{Policy: node.PruneOff, Pause: time.Second, Timeout: time.Second}})
		record.Close()
		if err != nil || (s.Skipped == 1) != tt.skipped || s.Built+s.Skipped != 1 {
			t.Errorf("%v: %d skipped, %d built (%v)", tt.exports, s.Skipped, s.Built, err)
		}
		if cut := tt.skipped && tt.cutShort == "job"; cut != (s.PushedBefore() != "") || (tt.skipped && !cut) != (s.TagsExist() != "") {
			t.Errorf("%v, cut short %q: it says %q and %q", tt.exports, tt.cutShort, s.PushedBefore(), s.TagsExist())
		}
	}
}

// telling is a registry of which nobody can ask without telling a secret.
type telling string

func (t telling) Exists(context.Context, string) (digest string, exists bool, err error) {
	return "", false, fmt.Errorf("the credential helper says: password=%s", string(t))
}

// What is on record of an image that could not be asked for has no secret in it.
func TestWhatTheRegistryDidNotSay(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		const secret = "Sup3r-S3cret-Pw"
		s := newStage(t, 1, 1, nodetest.New("one", 1500*mb))
		s.Redact, s.Registries.Tags = redact.New(secret), telling(secret)
		job := s.Plan.Jobs[0]
		job.Tags, job.Options.Exports = []string{"r.example/a:1"}, []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"push": "true"}}}
		s.run(t.Context())
		for _, file := range []string{"manifest.jsonl", "events.jsonl"} {
			text, err := os.ReadFile(filepath.Join(s.out, file))
			if err != nil || !strings.Contains(string(text), "credential helper") || strings.Contains(string(text), secret) {
				t.Errorf("%s (%v):\n%s", file, err, text)
			}
		}
	})
}
