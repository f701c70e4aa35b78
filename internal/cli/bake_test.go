package cli

import (
	"context"
	"slices"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
)

// bake runs stoker bake in the workbench's directory, with the usual flags and some more.
func (w *workbench) bake(ctx context.Context, more ...string) (code int, output string) {
	w.t.Helper()
	args := append([]string{"bake", "-f", w.path("docker-bake.hcl"), "--progress", "plain", "--builder", w.daemon.Addr(),
		"--output-dir", w.path("out"), "--state-dir", w.path("state"), "--retry-delay", "10ms", "--allow", "fs.read=" + w.dir}, more...)
	return runStoker(ctx, args...)
}

func TestBake(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	w.write("docker-bake.hcl", `
variable "VERSION" { default = "1" }
group "default" { targets = ["one", "two"] }
target "_all" {
  context = "`+w.path("ctx")+`"
  args = { BASE_IMAGE = "`+w.bases[0].Ref+`", BUILDER_IMAGE = "`+w.builder.Ref+`" }
}
target "one" {
  inherits = ["_all"]
  tags = ["`+w.registry.Host()+`/one:${VERSION}"]
}
target "two" {
  inherits = ["_all"]
  tags = ["`+w.registry.Host()+`/two:${VERSION}"]
}`)
	code, out := w.bake(t.Context(), "--push", "--var", "VERSION=2")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	var tags []string
	for _, e := range w.manifest() {
		if e.Status != ledger.Built {
			t.Errorf("%+v", e)
		}
		w.checkImage(e, w.bases[0])
		tags = append(tags, e.Tags...)
	}
	slices.Sort(tags)
	if want := []string{w.registry.Host() + "/one:2", w.registry.Host() + "/two:2"}; !slices.Equal(tags, want) {
		t.Errorf("tags %q, want %q", tags, want)
	}
}
