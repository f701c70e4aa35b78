package strays

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBundleUnder(t *testing.T) {
	for text, want := range map[string]bool{
		`{"config":{"labels":["x=y","bundle=/state/root/executor/abc"]}}`: true,
		`{"config":{"labels":["bundle=/state/root2/executor/abc"]}}`:      false,
		`{"config":{}}`: false,
		`{"config":`:    false,
		``:              false,
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := bundleUnder(path, "/state/root"); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if bundleUnder("/does/not/exist", "/state/root") {
		t.Error("a state that is gone")
	}
}
