package cli

import (
	"os"
	"strings"
	"testing"
)

// A summary that cannot be put on the job's page, and a default state directory
// that cannot be written, cost a run on a builder that was named nothing but a
// warning each. Whatever needs the state directory ends at once, and says how to
// name another.
func TestPlacesThatCannotBeWritten(t *testing.T) {
	w := newWorkbench(t, small(1, 1))
	file, tmp := w.write("file", ""), t.TempDir()
	t.Setenv("XDG_STATE_HOME", file)
	t.Setenv("GITHUB_STEP_SUMMARY", w.dir)
	t.Setenv("TMPDIR", tmp)
	code, out := w.build(t.Context(), "--state-dir", stateDir())
	w.checkAllBuilt(code, out, 1)
	for _, warning := range []string{"warning: the state directory cannot be written", "--state-dir", "warning: the summary is not on the job's page: GITHUB_STEP_SUMMARY"} {
		if !strings.Contains(out, warning) {
			t.Errorf("the output does not say %q:\n%s", warning, out)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in the directory for temporary files: %v (%v)", left, err)
	}

	if code, out := w.build(t.Context(), "--state-dir", file+"/own"); code != ExitUsage || !strings.Contains(out, "name another with --state-dir") {
		t.Errorf("a state directory that was named: exit code %d\n%s", code, out)
	}
	w.write("broken/buildx", "")
	if code, out := w.build(t.Context(), "--state-dir", w.path("broken")); code != ExitUsage || !strings.Contains(out, w.path("broken/buildx")) {
		t.Errorf("a state directory with a file in a directory's place: exit code %d\n%s", code, out)
	}
	for _, command := range [][]string{
		{"build", "--images", w.path("bases.txt"), "-o", "type=cacheonly", "--build-arg", "BUILDER_IMAGE=x", w.path("ctx")},
		{"plan", "--images", w.path("bases.txt"), "--build-arg", "BUILDER_IMAGE=x", w.path("ctx")},
		{"du"},
		{"prune", "--images", w.path("bases.txt"), "--yes"},
	} {
		if code, out := runStoker(t.Context(), command...); code != ExitUsage || !strings.Contains(out, "name another with --state-dir") {
			t.Errorf("%s without a builder: exit code %d\n%s", command[0], code, out)
		}
	}
}
