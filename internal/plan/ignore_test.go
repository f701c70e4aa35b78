package plan

import (
	"os"
	"path/filepath"
	"testing"
)

// The directory of a run's record is left out of a context that it is in, beside what the ignore
// file says that counts.
func TestRecordIsLeftOut(t *testing.T) {
	for _, tt := range []struct {
		name, own, contexts string // ignore files; empty for none
		record              string // below the context
		want                string // what is staged; empty for nothing
	}{
		{"no ignore file", "", "", "out", "\n/out\n"},
		{"the context's", "", "*.log", "out", "*.log\n/out\n"},
		{"the Dockerfile's own", "*.tmp\n", "*.log", "a/out", "*.tmp\n\n/a/out\n"},
		{"a name with signs of patterns", "", "", "o[1]*?", `
/o\[1]\*\?
`},
		{"the context itself", "", "*.log", ".", ""},
		{"elsewhere", "*.tmp\n", "*.log", "../out", "*.tmp\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "context")
			for name, text := range map[string]string{"Dockerfile": "FROM scratch\n", "Dockerfile.dockerignore": tt.own, ".dockerignore": tt.contexts} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s := sources{words: flagWords, record: keyOf(filepath.Join(dir, tt.record))}
			defer s.close()
			source, err := s.read(place{context: dir})
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(source.Inputs().DockerfilePath + ".dockerignore"); string(got) != tt.want {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
		})
	}
}
