package show

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/ledger"
)

func summary() ledger.Summary {
	return ledger.Summary{
		Total: 500, Built: 497, Skipped: 1, Failed: 2, Retried: 12,
		WallClockSeconds: 3720, ImagesPerHour: 481, MedianSeconds: 55, MaxSeconds: 252,
		Slowest: []ledger.SlowJob{
			{Name: "scikit-learn__scikit-learn-14053", DurationSeconds: 252, AttemptCount: 2},
			{Name: "django__django-11099", DurationSeconds: 180, AttemptCount: 1},
		},
		FailedBuilds: []ledger.FailedJob{
			{Name: "sympy__sympy-20049", Error: "failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 2", AttemptCount: 3, LogPath: "logs/sympy__sympy-20049/attempt-3.log"},
			{Name: "evil\x1b[2J\rdone", Error: "base image not found"},
		},
	}
}

func TestFinalText(t *testing.T) {
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"no limit", 0, `done: 497 of 500 images built in 1h02m, 1 skipped, 2 failed
  481 images/h, median build 55s, longest 4m12s, 12 jobs retried
slowest
   4m12s  scikit-learn__scikit-learn-14053 (2 attempts)
   3m00s  django__django-11099
failed
  sympy__sympy-20049
    process "/bin/sh -c make" did not complete successfully: exit code: 2
    logs/sympy__sympy-20049/attempt-3.log
  evil done
    base image not found
results in stoker-out
`},
		{"narrow", 40, `done: 497 of 500 images built in 1h02m,
1 skipped, 2 failed
  481 images/h, median build 55s,
  longest 4m12s, 12 jobs retried
slowest
   4m12s  scikit-l…rn-14053 (2 attempts)
   3m00s  django__django-11099
failed
  sympy__sympy-20049
    process "/bin/sh -…lly: exit code: 2
    logs/sympy__sympy-20049/attempt-3.l…
  evil done
    base image not found
results in stoker-out
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FinalText(summary(), "stoker-out", test.width, false); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestFinalTextFits(t *testing.T) {
	for width := 1; width <= 120; width++ {
		for _, s := range []ledger.Summary{summary(), sweptSummary()} {
			for line := range strings.Lines(FinalText(s, strings.Repeat("out/", 20), width, true)) {
				if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); w > width {
					t.Errorf("at width %d: %q is %d wide", width, line, w)
				}
			}
		}
	}
}

func TestFinalTextColoursChangeNothingElse(t *testing.T) {
	plain, coloured := FinalText(summary(), "out", 0, false), FinalText(summary(), "out", 0, true)
	if plain == coloured || ansi.Strip(coloured) != plain {
		t.Errorf("got\n%q\nwant the text of\n%q", coloured, plain)
	}
}

func TestFinalTextNamesSomeOfManyFailures(t *testing.T) {
	var s ledger.Summary
	for i := range 387 {
		s.FailedBuilds = append(s.FailedBuilds, ledger.FailedJob{Name: fmt.Sprintf("job-%03d", i), Error: "no"})
	}
	got := FinalText(s, "", 0, false)
	if strings.Count(got, "job-") != finalFailures || !strings.Contains(got, "… and 367 more, in manifest.jsonl") {
		t.Errorf("got\n%s", got)
	}
}

func TestFinalTextHeadline(t *testing.T) {
	tests := []struct {
		name    string
		summary ledger.Summary
		want    string
	}{
		{"all built", ledger.Summary{Total: 1, Built: 1, WallClockSeconds: 5}, "done: 1 of 1 image built in 5.0s"},
		{"nothing to do", ledger.Summary{Total: 2, Skipped: 2}, "done: 0 of 2 images built in 0.0s, 2 skipped"},
		{"interrupted", ledger.Summary{Total: 9, Built: 1, Unfinished: 8, Interrupted: true, StopReason: "too many failures"},
			"stopped: 1 of 9 images built in 0.0s, 8 not finished\n  reason: too many failures"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FinalText(test.summary, "", 0, false); !strings.HasPrefix(got, test.want+"\n") {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// The command that goes on is to be copied: it is whole at any width, and it is
// clean.
func TestFinalTextGoesOn(t *testing.T) {
	s := ledger.Summary{Total: 2, Built: 1, Failed: 1, ResumeCommand: "STOKER_TAG='a\n b' stoker build \x1b[2J" + strings.Repeat("--flag ", 30) + "--resume"}
	want := "try the failed ones again with:\n  STOKER_TAG='a\n b' stoker build " + strings.Repeat("--flag ", 30) + "--resume\n"
	if got := FinalText(s, "out", 40, false); !strings.HasSuffix(got, "results in out\n"+want) {
		t.Errorf("got\n%s", got)
	}
	s.Unfinished = 1
	if got := FinalText(s, "out", 40, false); !strings.Contains(got, "\ngo on with:\n") {
		t.Errorf("got\n%s", got)
	}
}
