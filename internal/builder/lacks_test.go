package builder

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stoker-build/stoker/internal/plan"
)

// What a context does not have, or the .dockerignore leaves out, is told; where links or
// exceptions are in the way nothing is.
func TestLacks(t *testing.T) {
	paths := []string{"/", "/a", "/none", "/a/none", "/dir", "/dir/b", "/dir/none", "/link", "/to/b", "/to/none"}
	for name, tt := range map[string]struct {
		ignore string
		want   map[string]Lack
	}{
		"all is sent":   {"", map[string]Lack{"/none": NotThere, "/a/none": NotThere, "/dir/none": NotThere}},
		"some is not":   {"dir/*\n/a\n", map[string]Lack{"/a": LeftOut, "/none": NotThere, "/a/none": NotThere, "/dir/b": LeftOut, "/dir/none": NotThere}},
		"a directory":   {"# all\ndir\n", map[string]Lack{"/dir": LeftOut, "/dir/b": LeftOut, "/none": NotThere, "/a/none": NotThere, "/dir/none": NotThere}},
		"an exception":  {"*\n!a\n", map[string]Lack{"/none": NotThere, "/a/none": NotThere, "/dir/none": NotThere}},
		"it is not one": {"[\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for path, text := range map[string]string{"a": "", "dir/b": "", ".dockerignore": tt.ignore} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for link, to := range map[string]string{"link": "nowhere", "to": "dir"} {
				if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			job := &plan.Job{}
			job.Options.Inputs.ContextPath = dir
			if got := Lacks(job, paths); !maps.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
