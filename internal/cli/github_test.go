package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// GitHub shows nothing of a step whose summary is too large: what has no room is left out.
func TestStepSummaryHasRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_STEP_SUMMARY", path)
	half := strings.Repeat("x", largestStepSummary/2)
	for _, wanted := range []bool{true, true, false} {
		if err := appendStepSummary(half); (err == nil) != wanted {
			t.Errorf("added: %v, want %t", err, wanted)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() != largestStepSummary {
		t.Errorf("%v, %v", info, err)
	}
}

// A log that GitHub reads is guarded, and a file is left as it is.
func TestGuardedStreams(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for github, want := range map[string]string{"true": ": :a::", "": "::a::"} {
		t.Setenv("GITHUB_ACTIONS", github)
		var log bytes.Buffer
		s := Streams{Out: file, Err: &log}.guarded()
		for _, err := range []error{writeText(s.Out, "::a::\n"), writeText(s.Err, "::a::")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if log.String() != want {
			t.Errorf("GITHUB_ACTIONS=%s: %q, want %q", github, log.String(), want)
		}
	}
	if data, err := os.ReadFile(file.Name()); err != nil || string(data) != "::a::\n::a::\n" {
		t.Errorf("the file has %q (%v)", data, err)
	}
}
