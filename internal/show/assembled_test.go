package show

import (
	"testing"

	"github.com/stoker-build/stoker/internal/run"
)

// Of images that only lay layers upon their base it is told how many are assembled, and
// why others are not; of other images nothing is.
func TestAssembledText(t *testing.T) {
	by := func(recipe string) run.PlannedJob {
		return run.PlannedJob{Assembly: run.Assembly{Assembles: true, Recipe: recipe, Linked: true}}
	}
	not := func(why string, linked bool) run.PlannedJob {
		return run.PlannedJob{Assembly: run.Assembly{ByBuilder: why, Linked: linked}}
	}
	for _, tt := range []struct {
		name string
		jobs []run.PlannedJob
		want string
	}{
		{"none", nil, ""},
		{"none that could be", []run.PlannedJob{not("a step needs its base", false), {}}, ""},
		{"of two recipes", []run.PlannedJob{by("a"), by("a"), by("a"), by("b"), by("b"), by("b"), by("b"), not("x", false)},
			"3 of 7 that only lay layers upon their base, once the builder has made 4"},
		{"some not", []run.PlannedJob{by("a"), by("a"), by("a"), not("it is annotated", true), not("a\x1b[2J", true), not("it is annotated", true)},
			"1 of 6 that only lay layers upon their base, once the builder has made 2; the builder makes 1: a; the builder makes 2: it is annotated"},
		{"all not", []run.PlannedJob{not("it is annotated", true)}, "0 of 1 that only lay layers upon their base; the builder makes 1: it is annotated"},
	} {
		if got := assembledText(tt.jobs); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}
