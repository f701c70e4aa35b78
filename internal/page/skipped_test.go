package page

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/report"
)

// Of a run that skipped all there is nothing to be glad of, no bytes, and the reason in words.
func TestAllSkipped(t *testing.T) {
	why := ledger.TagExists
	record := ledger.Record{Dir: "out", Here: true, Run: ledger.RunRecord{JobCount: 1}, Entries: []ledger.Entry{{Name: "a", Status: ledger.Skipped, SkipReason: &why}}, Summary: &ledger.Summary{}}
	v := view{Data{Report: report.Merge(report.OnRecord([]ledger.Record{record}))}}
	if built := v.Figures()[0]; built.Value != "0" || built.Class == "built" {
		t.Errorf("it tells of %+v", built)
	}
	if bytes := v.Bytes(); bytes != nil {
		t.Errorf("it has moved %v", bytes)
	}
	if row := v.Jobs()[0]; row.Status != "skipped" || row.Why != "its tag exists already" {
		t.Errorf("its job is %+v", row)
	}
}

// Base images and contexts are fetched, and not run.
func TestWhatIsRunInTheTree(t *testing.T) {
	d := runOfJobs(3)
	d.Steps = append(d.Steps, ledger.Step{ID: "4", StepForm: &ledger.StepForm{Kind: ledger.StepSource, Text: "load build context"}, Jobs: 8, Ran: 84})
	if page := written(t, d); !strings.Contains(page, "load build context") || strings.Contains(page, "ran 84") || !strings.Contains(page, "ran 1 ×") {
		t.Error("the tree says how often what was run")
	}
}

// The colours that stand beside each other on the workers can be told apart, in light and dark.
func TestColoursOfTheWorkers(t *testing.T) {
	const apart = 40 // of 441 between black and white
	hex := regexp.MustCompile(`--(built|failed|running|dead|p-[a-z]+): #([0-9a-f]{6})`)
	for i, theme := range strings.SplitAfter(pageStyle, "--p-other: ")[:3] {
		colours := map[string][3]float64{}
		next := strings.SplitAfter(pageStyle, "--p-other: ")[i+1]
		for _, m := range hex.FindAllStringSubmatch(theme+next[:7], -1) {
			n, _ := strconv.ParseUint(m[2], 16, 32)
			colours[m[1]] = [3]float64{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}
		}
		if len(colours) < 11 {
			t.Fatalf("there are %d colours", len(colours))
		}
		for a, one := range colours {
			for b, other := range colours {
				sum := 0.0
				for c := range one {
					sum += (one[c] - other[c]) * (one[c] - other[c])
				}
				if a < b && sum < apart*apart {
					t.Errorf("%s and %s are too much alike: %v and %v", a, b, one, other)
				}
			}
		}
	}
}
