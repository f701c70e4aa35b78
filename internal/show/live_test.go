package show

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
)

// draw is the frame of a state 100 seconds into the run, without colours.
func draw(s *State, width, height int) string {
	return frame{State: s, now: sec(100), width: width, height: height}.String()
}

// trim drops the spaces at the ends of lines, so that tests can be read.
func trim(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func busy() *State {
	return stateOf(
		told{0, runOf(60, 3)},
		told{0, journal.JobStarted{Job: "django__django-11099"}},
		told{0, journal.AttemptStarted{Job: "django__django-11099", Attempt: 2}},
		told{1, journal.StepStarted{Job: "django__django-11099", Step: "[2/5] RUN apt-get update && apt-get install -y build-essential"}},
		told{20, journal.JobStarted{Job: "sympy__sympy-20049"}},
		told{30, built("a", 10)}, told{31, built("b", 10)}, told{32, built("c", 10)},
		told{33, skipped("d", "exists")},
		told{40, failed("scikit-learn__scikit-learn-14053", "process \"/bin/sh -c make\" did not complete successfully: exit code: 2", 3)},
		told{50, journal.Warning{Message: "disk of node-a is 91% full"}},
	)
}

func TestFrame(t *testing.T) {
	stopped := busy()
	stopped.Apply(sec(99), journal.Stopping{Reason: "interrupted"})
	crowd := stateOf(told{0, runOf(60, 20)})
	for i := range 20 {
		crowd.Apply(sec(float64(i)), journal.JobStarted{Job: fmt.Sprintf("job-%02d", i)})
	}
	tests := []struct {
		name          string
		state         *State
		width, height int
		want          string
	}{
		{"wide", busy(), 80, 24, `
stoker  60 images, 3 workers, 0 of 2 batches done                        0:01:40
████▓▞░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  5/60   8%
3 built · 1 skipped · 1 failed · 108 images/h · about 22m55s left

django__django-11099  attempt 2  [2/5] RUN apt-get update && apt-get ins…  1m40s
sympy__sympy-20049    checking                                             1m20s

✗ scikit-learn__scikit-learn-14053  process "/bin/sh -c ma…ssfully: exit code: 2
! disk of node-a is 91% full`},
		{"very wide", busy(), 160, 24, `
stoker  60 images, 3 workers, 0 of 2 batches done                                                                0:01:40
█████▓▓▞▞░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  5/60   8%
3 built · 1 skipped · 1 failed · 108 images/h · about 22m55s left

django__django-11099  attempt 2  [2/5] RUN apt-get update && apt-get install -y build-essential                    1m40s
sympy__sympy-20049    checking                                                                                     1m20s

✗ scikit-learn__scikit-learn-14053  process "/bin/sh -c make" did not complete successfully: exit code: 2
! disk of node-a is 91% full`},
		{"narrow", busy(), 40, 12, `
stoker  60 images, 3 workers     0:01:40
█▓▞░░░░░░░░░░░░░░░░░░░░░░░░░░  5/60   8%
3 built · 1 skipped · 1 failed
108 images/h · about 22m55s left
django__d…go-11099  #2 [2/5] RUN…  1m40s
sympy__sympy-20049  checking       1m20s
✗ scikit-le…rn-14053  process "… code: 2
! disk of node-a is 91% full`},
		{"stopping", stopped, 80, 10, `
stoker  60 images, 3 workers, 0 of 2 batches done                        0:01:40
████▓▞░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  5/60   8%
3 built · 1 skipped · 1 failed · 108 images/h
stopping: interrupted (press Ctrl-C again to quit at once)
django__django-11099  attempt 2  [2/5] RUN apt-get update && apt-get ins…  1m40s
sympy__sympy-20049    checking                                             1m20s
✗ scikit-learn__scikit-learn-14053  process "/bin/sh -c ma…ssfully: exit code: 2
! disk of node-a is 91% full`},
		{"more jobs than lines", crowd, 50, 8, `
stoker  60 images, 20 workers              0:01:40
░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  0/60   0%
0 built
job-00  checking                             1m40s
job-01  checking                             1m39s
job-02  checking                             1m38s
job-03  checking                             1m37s
… and 16 more`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := "\n" + trim(draw(test.state, test.width, test.height)); got != test.want {
				t.Errorf("got%s\nwant%s", got, test.want)
			}
		})
	}
}

func TestFrameFitsEveryTerminal(t *testing.T) {
	full := busy()
	for i := range 40 {
		full.Apply(sec(50), journal.JobStarted{Job: fmt.Sprintf("世界-%d-%s", i, strings.Repeat("n", i*3))})
		full.Apply(sec(50), failed(strings.Repeat("名", i), strings.Repeat("reason ", i), 1))
	}
	full.Apply(sec(51), journal.Warning{Message: strings.Repeat("warning ", 30)})
	full.Apply(sec(52), journal.Stopping{Reason: strings.Repeat("reason ", 30)})
	for _, s := range []*State{stateOf(told{0, runOf(0, 0)}), busy(), full, tight()} {
		for width := 1; width <= 170; width++ {
			for _, height := range []int{1, 2, 3, 5, 8, 12, 24, 60} {
				lines := strings.Split(draw(s, width, height), "\n")
				if len(lines) > height {
					t.Errorf("%dx%d: %d lines", width, height, len(lines))
				}
				for _, line := range lines {
					if w := ansi.StringWidth(line); w > width {
						t.Errorf("%dx%d: %q is %d wide", width, height, line, w)
					}
				}
			}
		}
	}
}

func TestFrameColoursChangeNothingElse(t *testing.T) {
	for _, s := range []*State{busy(), tight()} {
		plain := draw(s, 80, 24)
		coloured := frame{palette: palette{true}, State: s, now: sec(100), width: 80, height: 24}.String()
		if coloured == plain {
			t.Error("no colours")
		}
		if got := ansi.Strip(coloured); got != plain {
			t.Errorf("got\n%s\nwant\n%s", got, plain)
		}
	}
}

func TestFrameKeepsItsHeight(t *testing.T) {
	f := frame{State: busy(), now: sec(100), width: 80, height: 24, least: 15}
	if got := strings.Count(f.String(), "\n") + 1; got != 15 {
		t.Errorf("%d lines, want the 15 of an earlier frame", got)
	}
	f.height = 10
	if got := strings.Count(f.String(), "\n") + 1; got != 10 {
		t.Errorf("%d lines on a terminal of 10", got)
	}
}

func TestFrameShowsTroubleWhenShort(t *testing.T) {
	s := stateOf(told{0, runOf(60, 20)})
	for i := range 20 {
		s.Apply(sec(0), journal.JobStarted{Job: fmt.Sprint("job-", i)})
	}
	for i := range 5 {
		s.Apply(sec(0), failed(fmt.Sprint("broken-", i), "no "+strings.Repeat("x", i), 1))
	}
	s.Apply(sec(0), journal.Warning{Message: "look out"})
	got := draw(s, 60, 11)
	for _, want := range []string{"job-0 ", "… and", "broken-4", "! look out"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestShares(t *testing.T) {
	tests := []struct {
		name                                 string
		cells, total, built, skipped, failed int
		want                                 [3]int
	}{
		{"nothing", 10, 100, 0, 0, 0, [3]int{0, 0, 0}},
		{"a little of each", 10, 1000, 1, 1, 1, [3]int{1, 1, 1}},
		{"half", 10, 100, 50, 0, 0, [3]int{5, 0, 0}},
		{"all built", 10, 100, 100, 0, 0, [3]int{10, 0, 0}},
		{"all but one", 10, 1000, 999, 0, 0, [3]int{9, 0, 0}},
		{"all, of each", 10, 100, 98, 1, 1, [3]int{8, 1, 1}},
		{"all skipped", 10, 3, 0, 3, 0, [3]int{0, 10, 0}},
		{"no room", 0, 3, 1, 1, 1, [3]int{0, 0, 0}},
		{"no jobs", 10, 0, 0, 0, 0, [3]int{0, 0, 0}},
		{"more than planned", 10, 2, 3, 3, 3, [3]int{0, 0, 10}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, s, x := shares(test.cells, test.total, test.built, test.skipped, test.failed)
			if got := [3]int{b, s, x}; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
