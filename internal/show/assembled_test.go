package show

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/run"
)

// Of images that only copy onto their base it is told how many are assembled, and
// why others are not; of other images nothing is.
func TestAssembledText(t *testing.T) {
	by := func(recipe string) run.PlannedJob {
		return run.PlannedJob{Assembly: run.Assembly{Assembles: true, Recipe: recipe}}
	}
	not := func(why string, copies bool) run.PlannedJob {
		if !copies {
			return run.PlannedJob{Assembly: run.Assembly{ByBuilder: why}}
		}
		return run.PlannedJob{Assembly: run.Assembly{ByBuilder: "of this one, " + why, Left: why}}
	}
	for _, tt := range []struct {
		name string
		jobs []run.PlannedJob
		want string
	}{
		{"none", nil, ""},
		{"none that could be", []run.PlannedJob{not("a step needs its base", false), {}}, ""},
		{"of two recipes", []run.PlannedJob{by("a"), by("a"), by("a"), by("b"), by("b"), by("b"), by("b"), not("x", false)},
			"3 of 7 that only copy onto their base, once the builder has made 4"},
		{"some not", []run.PlannedJob{by("a"), by("a"), by("a"), not("it is annotated", true), not("a\x1b[2J", true), not("it is annotated", true)},
			"1 of 6 that only copy onto their base, once the builder has made 2; the builder makes 1: a; the builder makes 2: it is annotated"},
		{"all not", []run.PlannedJob{not("it is annotated", true)}, "0 of 1 that only copy onto their base; the builder makes 1: it is annotated"},
	} {
		if got := assembledText(tt.jobs); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}

// At the end of a run it is said why images were not assembled, but not of a few: the builder
// makes the first ones anyway.
func TestFinalTextTellsWhatWasNotAssembled(t *testing.T) {
	text := FinalText(ledger.Summary{Total: 9, Built: 9, Assembled: 2, PulledBytes: new(int64),
		NotAssembled: map[string]int{"its cache is exported": 4, "it has no\x1b tag": 3, "of too few": 2}}, "", 0, false)
	for want, is := range map[string]bool{
		"  4 made by the builder that only copy onto their base, not assembled in the registry: its cache is exported\n": true,
		"3 made by the builder": true, "of too few": false, "\x1b": false, "  nothing pulled\n": true,
	} {
		if strings.Contains(text, want) != is {
			t.Errorf("that it says %q is %v\n%s", want, !is, text)
		}
	}
}
