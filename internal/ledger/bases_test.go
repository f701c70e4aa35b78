package ledger

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBaseImages(t *testing.T) {
	manifest := `{"name":"a","base_image":"r/a:1","status":"built"}` + "\n" + `{"name":"b","base_image":"r/b:1","status":"failed"}` + "\n"
	events := `{"type":"run_started","jobs":3}` + "\n" + `{"type":"job_started","base_image":"r/a:1"}` + "\n" + `{"type":"job_started","base_image":"r/c:1"}` + "\n" + `{"type":"job_started","base_image":"","images":["r/d:1","r/a:1"]}` + "\n" + `{"type":"jo`
	tests := []struct {
		name             string
		manifest, events string
		want             string
		fails            string
	}{
		{"finished and started", manifest, events, "r/a:1 r/b:1 r/c:1 r/d:1", ""},
		{"pulled ahead", manifest, `{"type":"pull_started","images":["r/c:1@sha256:1","r/e:1@sha256:2"]}` + "\n" + events, "r/a:1 r/b:1 r/c:1 r/d:1 r/e:1@sha256:2", ""},
		{"without events", manifest, "", "r/a:1 r/b:1", ""},
		{"no manifest", "", events, "", "no such file"},
		{"not a manifest", "hello\nworld\n", "", "", "manifest.jsonl line 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{ManifestFile: tt.manifest, EventsFile: tt.events} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := BaseImages(dir)
			if want := strings.Fields(tt.want); !slices.Equal(got, want) || (err != nil) != (tt.fails != "") {
				t.Errorf("got %v, %v", got, err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("error %q does not say %q", err, tt.fails)
			}
		})
	}
}
