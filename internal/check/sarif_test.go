package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// hinted is an advice.
var hinted = Finding{Severity: Advice, Kind: Cost, Text: "GIT_SHA changes", Hint: "move it", Jobs: jobs(4), Places: []Place{{"/w/d e/Dockerfile", 7}},
	Cost: &Costing{Rule: "misplaced-variable", Text: "costs about 10.0s", Seconds: new(10.0), Patch: "--- a\n"}}

// What SARIF 2.1.0 demands is there, as a reader that knows only the standard's names sees it.
func TestSARIF(t *testing.T) {
	elsewhere := Finding{Severity: Warning, Kind: Dockerfile, Text: "no such word", Places: []Place{{"/x/Dockerfile", 0}}}
	data, err := json.Marshal(of(4, 0, gone, again, silent, hinted, elsewhere, full).SARIF("1.2", "/w", asIs))
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                     string
						ShortDescription, Help struct{ Text string }
					}
				}
			}
			Invocations []struct {
				ExecutionSuccessful        *bool
				ToolExecutionNotifications []struct {
					Level   string
					Message struct{ Text string }
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
				Properties struct{ Cost struct{ Patch string } }
			}
		}
	}
	if err := json.Unmarshal(data, &log); err != nil || log.Version != "2.1.0" || !strings.HasSuffix(log.Schema, "sarif-2.1.0.json") || len(log.Runs) != 1 {
		t.Fatalf("%v\n%s", err, data)
	}
	run := log.Runs[0]
	for _, r := range run.Tool.Driver.Rules {
		if r.ShortDescription.Text == "" || r.Help.Text == "" {
			t.Errorf("it is not said what %s finds, and what helps", r.ID)
		}
	}
	var got []string
	for _, r := range run.Results {
		if id := run.Tool.Driver.Rules[r.RuleIndex].ID; id != r.RuleID {
			t.Errorf("rule %d is %q, and a result of %q has it", r.RuleIndex, id, r.RuleID)
		}
		for _, l := range r.Locations {
			at := l.PhysicalLocation
			got = append(got, fmt.Sprintf("%s %s %s:%d", r.Level, r.RuleID, at.ArtifactLocation.URI, at.Region.StartLine))
		}
	}
	want := []string{"error image c/Dockerfile:2", "error image d/Dockerfile:2", "warning dockerfile file:///x/Dockerfile:0", "note misplaced-variable d%20e/Dockerfile:7"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if hint := run.Results[2]; hint.Message.Text != "GIT_SHA changes\ncosts about 10.0s\nmove it\nin all 4 jobs" || hint.Properties.Cost.Patch != "--- a\n" {
		t.Errorf("the advice is %+v", hint)
	}
	got = nil
	for _, n := range run.Invocations[0].ToolExecutionNotifications {
		got = append(got, n.Level+" "+n.Message.Text)
	}
	if want := []string{"error the disk is too small", "none what docker.io allows: no answer"}; !slices.Equal(got, want) || run.Invocations[0].ExecutionSuccessful == nil {
		t.Errorf("what stands in no file: %q", got)
	}
	empty, err := json.Marshal(of(1, 0).SARIF("1", "/w", asIs))
	if err != nil || !strings.Contains(string(empty), `"results":[]`) || strings.Contains(string(empty), "null") {
		t.Errorf("nothing found: %v\n%s", err, empty)
	}
}

// Each rule says what it finds, and what helps.
func TestRuleTexts(t *testing.T) {
	for _, kind := range kinds {
		if text := ruleTexts[string(kind)]; text.finds == "" || text.help == "" {
			t.Errorf("nothing is said of %s", kind)
		}
	}
}

func TestFailOn(t *testing.T) {
	for _, tt := range []struct {
		found  Finding
		failOn Severity
		want   bool
	}{
		{gone, "", true}, {gone, Advice, true},
		{casing, "", false}, {casing, Fault, false}, {casing, Warning, true}, {casing, Advice, true},
		{hinted, "", false}, {hinted, Warning, false}, {hinted, Advice, true},
		{silent, "", false}, {silent, Advice, false},
	} {
		r := of(4, 0, tt.found)
		if r.FailOn = tt.failOn; r.Failed() != tt.want || r.Document(asIs).OK == tt.want {
			t.Errorf("%s with --fail-on %q: failed is %t", tt.found.Severity, tt.failOn, r.Failed())
		}
	}
}

// Of advice the three dearest are told, with all that helps.
func TestAdviceText(t *testing.T) {
	var all []Finding
	for i := range 5 {
		f := hinted
		f.Places = []Place{{"Dockerfile", i + 1}}
		all = append(all, f)
	}
	text := of(4, 0, all...).Text(asIs)
	first, rest, _ := strings.Cut(text, "advice: GIT_SHA changes\n  move it\n  costs about 10.0s\n  Dockerfile:1\n  in all 4 jobs\n--- a\n")
	if first != "" || strings.Count(rest, "advice: ") != 2 || !strings.Contains(rest, "and 2 more like these") ||
		!strings.HasSuffix(rest, "checked 4 jobs: nothing is wrong, 5 hints at what would be cheaper\n") {
		t.Errorf("%s", text)
	}
}
