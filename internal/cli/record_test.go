package cli

import "testing"

// The record of a run in its own context is not part of what is built: a second run finds the
// images that are named by their content.
func TestRecordInTheContext(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 2))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY . /app\nRUN ! [ -e /app/out ] && [ -e /app/agent.txt ]\n")
	inContext := *w
	inContext.dir = w.path("ctx")
	for i, want := range []int{2, 0} {
		code, out := w.build(t.Context(), "--output-dir", w.path("ctx/out"), "-t", w.registry.Host()+"/own/{{.Name}}:{{.GraphHash}}")
		s := inContext.summary()
		if code != ExitOK || s.Built != want || s.Skipped != 2-want {
			t.Errorf("run %d: exit code %d, %d built, %d skipped\n%s", i, code, s.Built, s.Skipped, out)
		}
	}
}
