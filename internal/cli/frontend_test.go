package cli

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
)

// A Dockerfile of which only the frontend of its syntax line can say that it does not
// parse is told of once, before there is a run, with the line that is wrong.
func TestFrontendFindsMistake(t *testing.T) {
	t.Parallel()
	w := newMirrored(t, small(1, 3), lab.BuildkitdOptions{})
	for _, syntax := range []string{"docker/dockerfile:1.7", w.registry.Host() + "/docker/dockerfile:1.7"} {
		w.write("ctx/Dockerfile", "# syntax="+syntax+"\nARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUM echo hello\n")
		code, out := w.build(t.Context())
		if code != ExitUsage || strings.Count(out, "unknown instruction: RUM") != 1 || !strings.Contains(out, "line 4") || !strings.Contains(out, w.path("ctx/Dockerfile")) {
			t.Errorf("%s: exit code %d\n%s", syntax, code, out)
		}
		if exists(w.path("out")) {
			t.Errorf("%s: there is a run", syntax)
		}
		code, out = runStoker(t.Context(), "plan", "--builder", w.daemon.Addr(), "--images", w.path("bases.txt"), "--state-dir", w.path("state"), w.path("ctx"))
		if code != ExitUsage || !strings.Contains(out, "unknown instruction: RUM") {
			t.Errorf("%s: plan: exit code %d\n%s", syntax, code, out)
		}
	}
	// What only a newer frontend knows is no mistake.
	w.write("ctx/Dockerfile", "# syntax=docker/dockerfile:1\nARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo hello\n")
	if code, out := w.build(t.Context()); code != ExitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
