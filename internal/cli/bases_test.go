package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/advice"
	"github.com/stoker-build/stoker/internal/lab"
)

// Base images that were each made anew in the same way are told, with what that takes; none are
// where steps that are linked leave the bases alone.
func TestBasesThatNearlyShareLayers(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, lab.Shape{Instances: lab.Instances(1, 4), OSBytes: mb, EnvBytes: mb, OwnBytes: 20 * mb, Seed: 3})
	for _, tt := range []struct {
		step string
		want bool
	}{{"RUN true", true}, {"COPY agent.txt /new/place/", false}} {
		w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"+tt.step+"\n")
		code, out := runStoker(t.Context(), "plan", "--format", "json", "--push", "-t", w.registry.Host()+"/agent/{{.Name}}:1",
			"--builder", w.daemon.Addr(), "--images", w.path("bases.txt"), "--state-dir", w.path("state"), w.path("ctx"))
		var planned struct{ Advice []advice.Advice }
		if err := json.Unmarshal([]byte(out[max(strings.Index(out, "{"), 0):]), &planned); code != ExitOK || err != nil {
			t.Fatalf("exit code %d (%v)\n%s", code, err, out)
		}
		found := false
		for _, a := range planned.Advice {
			if a.Rule == advice.NearlySharedBases {
				found = len(a.Jobs) == 4 && *a.Bytes > 55*mb && *a.Bytes < 65*mb
			}
		}
		if found != tt.want {
			t.Errorf("%s: %+v", tt.step, planned.Advice)
		}
	}
}
