package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Phases that are targets on targets, called by what is built: a new agent makes finals only, upon bases by their
// digests, and of a base that breaks one final is skipped.
func TestPhasesByGraphHash(t *testing.T) {
	w := newWorkbench(t, small(1, 3))
	host := w.registry.Host()
	file := func(broken, middle string) {
		w.write("docker-bake.hcl", `
variable "bases" { default = ["`+w.bases[0].Ref+`", "`+middle+`", "`+w.bases[2].Ref+`"] }
group "default" { targets = ["base", "final"] }
target "base" {
  name = "base-${n}"
  matrix = { n = [0, 1, 2] }
  context = "`+w.path("ctx")+`"
  dockerfile-inline = <<END
FROM ${bases[n]}
ARG N
RUN [ $N != "`+broken+`" ] && head -c 9 /dev/urandom > /base
END
  args = { N = n }
  tags = ["`+host+`/base/${n}:{{.GraphHash}}"]
}
target "final" {
  name = "final-${n}"
  matrix = { n = [0, 1, 2] }
  context = "`+w.path("ctx")+`"
  contexts = { base = "target:base-${n}" }
  dockerfile-inline = <<END
FROM base
COPY agent.txt /agent
END
  tags = ["`+host+`/final/${n}:{{.GraphHash}}"]
}`)
	}
	run := func(more ...string) (map[string]ledger.Entry, string) {
		t.Helper()
		_, output := w.bake(t.Context(), append([]string{"--push", "--fresh", "--retries", "0"}, more...)...)
		ends := map[string]ledger.Entry{}
		for _, e := range w.manifest() {
			ends[e.Name] = e
		}
		return ends, output
	}
	file("none", w.bases[1].Ref)
	first, output := run()
	for name, e := range first {
		if e.Status != ledger.Built || strings.Contains(e.Tags[0], "unknown") {
			t.Fatalf("%s: %+v\n%s", name, e, output)
		}
	}
	w.write("ctx/agent.txt", "a new agent\n")
	w.daemon = labtest.Buildkitd(t, w.registry) // where nothing is in the cache
	second, output := run()
	for name, e := range second {
		base := strings.HasPrefix(name, "base-")
		if base && e.Status != ledger.Skipped || !base && (e.Status != ledger.Built || e.Tags[0] == first[name].Tags[0]) {
			t.Errorf("with a new agent %s: %+v\n%s", name, e, output)
		}
		if was := labtest.Files(t, first["base-"+name[len(name)-1:]].Tags[0])["/base"].Content; !slices.Equal(labtest.Files(t, e.Tags[0])["/base"].Content, was) {
			t.Errorf("%s is not on the base that was there", name)
		}
	}
	w.write("ctx/agent.txt", "a newer agent\n")
	for what, breakIt := range map[string]func(){
		"breaks":       func() { file("1", w.bases[1].Ref) },
		"is not there": func() { file("none", host+"/nowhere:1") },
	} {
		breakIt()
		ends, output := run("--force")
		for name, e := range ends {
			want := ledger.Built
			switch name {
			case "base-1":
				want = ledger.Failed
			case "final-1":
				want = ledger.SkippedDependency
			}
			if e.Status != want || (want == ledger.SkippedDependency) != (e.FailedDependency == "base-1") {
				t.Errorf("with a base that %s %s: %+v\n%s", what, name, e, output)
			}
		}
		if !strings.Contains(output, "1 failed, 1 skipped: built on base-1, which failed") {
			t.Errorf("the end is\n%s", output)
		}
	}
}
