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
		FailureGroups: []ledger.FailureGroup{
			{Failure: brokenMake, Jobs: 12, Examples: []string{"sympy__sympy-20049", "sympy__sympy-20154", "evil\x1b[2J\rdone"}, LogPath: "logs/sympy__sympy-20049/attempt-2.log"},
			{Failure: ledger.Failure{Class: "permanent", Why: "the registry denies access", Message: "r/x: 403 Forbidden"}, Jobs: 1, Examples: []string{"django__django-1"}},
		},
	}
}

var brokenMake = ledger.Failure{Class: "step_failed", Step: "RUN make --directory /testbed all", File: "agent/Dockerfile", Line: 5, ExitCode: 2,
	Message: "make: *** [Makefile:2: all] Error 1", Output: []string{"cc -o x x.c", "make: *** [Makefile:2: all] Error 1"}}

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
  12 images: agent/Dockerfile:5: make: *** [Makefile:2: all] Error 1
    RUN make --directory /testbed all (exit code: 2)
    | cc -o x x.c
    | make: *** [Makefile:2: all] Error 1
    sympy__sympy-20049, sympy__sympy-20154, evil done, and 9 more
    logs/sympy__sympy-20049/attempt-2.log
  django__django-1: the registry denies access: r/x: 403 Forbidden
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
  12 images
    agent/Dockerfile:5: make: ***
    [Makefile:2: all] Error 1
    RUN make -…estbed all (exit code: 2)
    | cc -o x x.c
    | make: *** [Makef…e:2: all] Error 1
    sympy__sympy-20049,
    sympy__sympy-20154, evil done,
    and 9 more
    logs/sympy__sympy-20049/attempt-2.l…
  django__django-1
    the registry denies access: r/x: 403
    Forbidden
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

// A step that printed nothing has its exit code as the reason: it is told once.
func TestFinalTextTellsTheExitCodeOnce(t *testing.T) {
	silent := brokenMake
	silent.Message, silent.Output = "", nil
	got := FinalText(ledger.Summary{FailureGroups: []ledger.FailureGroup{{Failure: silent, Jobs: 1, Examples: []string{"a"}}}}, "", 0, false)
	if !strings.Contains(got, "  a: agent/Dockerfile:5: exit code: 2\n    RUN make --directory /testbed all\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestFinalTextNamesSomeOfManyReasons(t *testing.T) {
	var s ledger.Summary
	for i := range 387 {
		s.FailureGroups = append(s.FailureGroups, ledger.FailureGroup{Failure: brokenMake, Jobs: 1, Examples: []string{fmt.Sprintf("job-%03d", i)}})
	}
	got := FinalText(s, "", 0, false)
	if strings.Count(got, "job-") != finalGroups || !strings.Contains(got, "… and for 379 more reasons, in summary.json") || strings.Contains(got, "| ") {
		t.Errorf("got\n%s", got)
	}
}

// The reason and its place are there at every usual width.
func TestFinalTextShowsTheReason(t *testing.T) {
	s := summary()
	s.FailureGroups[0].Failure.Step = "RUN " + strings.Repeat("long ", 100)
	for width := 40; width <= 160; width++ {
		got := strings.Join(strings.Fields(FinalText(s, "out", width, false)), " ")
		if !strings.Contains(got, "agent/Dockerfile:5: make: *** [Makefile:2: all] Error 1") || !strings.Contains(got, "(exit code: 2)") {
			t.Errorf("at width %d:\n%s", width, got)
		}
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
		{"tags exist", ledger.Summary{Total: 4, Skipped: 4, SkipReasons: map[string]int{"remote_exists": 4}},
			"done: 0 of 4 images built in 0.0s, 4 skipped\n  4 tags exist already: --force builds them again; {{.GraphHash}} in a tag tells versions apart"},
		{"one tag exists, others did before", ledger.Summary{Total: 4, Skipped: 4, KeptSkipped: 3, SkipReasons: map[string]int{"remote_exists": 4}},
			"done: 0 of 1 image built in 0.0s, 3 kept from before, 1 skipped\n  1 tag exists already: --force builds it again; {{.GraphHash}} in a tag tells versions apart"},
		{"one was pushed before it was cut short", ledger.Summary{Total: 4, Skipped: 4, KeptSkipped: 2, CutShortExist: 1, SkipReasons: map[string]int{"remote_exists": 2, "remote_exists_cut_short": 2}},
			"done: 0 of 2 images built in 0.0s, 2 kept from before, 2 skipped\n  1 job that was cut short is done, since its tag exists\n  1 tag exists already: --force builds it again; {{.GraphHash}} in a tag tells versions apart"},
		{"all kept", ledger.Summary{Total: 4, Built: 4, KeptBuilt: 4}, "done: nothing was left to build, 4 kept from before"},
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

// A run on several nodes tells what each has done, and which was away.
func TestFinalTextOfNodes(t *testing.T) {
	s := ledger.Summary{Total: 5, Built: 5, Nodes: []ledger.NodeSummary{
		{Name: "tcp://one.example:1234", Built: 3}, {Name: "tcp://two.example:1234", Built: 2, Losses: 2}, {Name: "tcp://three.example:1234", Losses: 1, Lost: true}}}
	for width, want := range map[int]string{
		0:  "  3 images built on tcp://one.example:1234\n  2 images built on tcp://two.example:1234, lost 2 times\n  0 images built on tcp://three.example:1234, not there at the end\n",
		60: "  0 images built on tcp://thr…ple:1234, not there at the end\n",
	} {
		if got := FinalText(s, "", width, false); !strings.Contains(got, want) {
			t.Errorf("%d wide: %q is not in\n%s", width, want, got)
		}
	}
}
