package cli

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "github.com/moby/buildkit", Version: "v0.34.2"},
			{Path: "github.com/docker/buildx", Version: "v0.1.0", Replace: &debug.Module{Path: "github.com/docker/buildx", Version: "v0.38.2"}},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}},
	}
	for given, want := range map[string]string{"1.0.0": "1.0.0", unreleased: "v1.2.3"} {
		v := versionsOf(given, info)
		if v.Version != want || v.Commit != "abc" || !v.Modified || v.BuildKit != "v0.34.2" || v.Buildx != "v0.38.2" {
			t.Errorf("%s: %+v, want version %s", given, v, want)
		}
	}
	var noted versions
	if noted.noteCommit("abc-dirty"); noted.Commit != "abc" || !noted.Modified {
		t.Errorf("of the linker: %+v", noted)
	}
	if noted.noteCommit("def"); noted.Commit != "abc" || !noted.Modified {
		t.Errorf("what Go noted is overwritten: %+v", noted)
	}
	var text strings.Builder
	if err := versionsOf(unreleased, &debug.BuildInfo{}).write(&text); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"stoker    dev\n", "commit    unknown\n", "buildkit  unknown\n"} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("what is not known: %q lacks %q", text.String(), line)
		}
	}

	code, out := runStoker(t.Context(), "version", "--format", "json")
	var v versions
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != ExitOK || v.Version != "test" || v.Go == "" {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
	if code, out := runStoker(t.Context(), "--version"); code != ExitOK || out != "stoker test\n" {
		t.Errorf("--version: exit code %d, %q", code, out)
	}
}
