package cli

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab"
)

// What a step copies from another stage is found again in a cache that was exported, as without
// links: in the image's layers, and in all steps' (mode=max), which are linked.
func TestAutoLinkFindsItsCache(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS make\nRUN cat /proc/sys/kernel/random/uuid > /own\nFROM ${BASE_IMAGE}\nCOPY --from=make /own /opt/own\n")
	made := func(out string, flags ...string) string {
		t.Helper()
		if _, err := w.daemon.Buildctl(t.Context(), "prune", "--all"); err != nil {
			t.Fatal(err)
		}
		tag := w.registry.Host() + "/" + out + ":1"
		if code, text := w.build(t.Context(), append([]string{"--output-dir", w.path(out), "-t", tag}, flags...)...); code != ExitOK {
			t.Fatalf("exit code %d\n%s", code, text)
		}
		files, err := lab.Files(t.Context(), tag)
		if err != nil || len(files["/opt/own"].Content) == 0 {
			t.Fatalf("%v; the step has made %q", err, files["/opt/own"].Content)
		}
		return string(files["/opt/own"].Content)
	}
	cache := "type=registry,ref=" + w.registry.Host() + "/cache:"
	for mode, linked := range map[string]string{"min": "", "max": `"message":"linked 1 COPY or ADD step`} {
		first := made("to-"+mode, "--cache-to", cache+mode+",mode="+mode)
		if !strings.Contains(w.read("to-"+mode+"/events.jsonl"), linked) {
			t.Errorf("mode=%s: nothing was linked", mode)
		}
		if again := made("from-"+mode, "--cache-from", cache+mode); again != first {
			t.Errorf("mode=%s: the step was run again: it made %s, and then %s", mode, first, again)
		}
	}
}
