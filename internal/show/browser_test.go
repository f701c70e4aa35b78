package show

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
)

// watched is a view with keys: of a run of four jobs, of which one runs, one failed and two are built.
func watched(t *testing.T, log string) model {
	t.Helper()
	m := modelOf()
	m.browser.keys = true
	m, _ = update(t, m, tea.WindowSizeMsg{Width: 80, Height: 12})
	m, _ = update(t, m, newsOf(false, told{0, runOf(60, 3)},
		told{1, built("one", 9)}, told{2, failed("two", "exit code: 2", 1)}, told{3, built("three", 9)},
		told{40, journal.JobStarted{Job: "four"}}, told{41, journal.AttemptStarted{Job: "four", Attempt: 1, Log: log}},
		told{42, journal.StepStarted{Job: "four", Step: "[1/2] FROM base"}}, told{50, journal.StepStarted{Job: "four", Step: "[2/2] RUN make"}}))
	return m
}

func pressed(t *testing.T, m model, keys ...string) model {
	t.Helper()
	for _, key := range keys {
		next, cmd := update(t, m, keyMsg(key))
		if m = next; cmd != nil {
			if log, is := cmd().(logMsg); is {
				m, _ = update(t, m, log)
			}
		}
	}
	return m
}

func TestKeysGoThroughJobs(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte(strings.Repeat("line\n", 50)+"\x1b[2Jlast\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, keys   string
		shows, hides string
	}{
		{"nothing", "", keysHint, "> "},
		{"the list", "j", "> ● four", "! "},
		{"failed ones before others", "j j", "> ✗ two", ""},
		{"down and up", "down down down up", "> ✗ two", ""},
		{"to the end", "j G", "> ✓ one", ""},
		{"past the end", "j G j j", "> ✓ one", ""},
		{"to the beginning", "j G g", "> ● four", ""},
		{"a page", "j space", "> ✓ one", ""},
		{"its steps", "j enter", "[2/2] RUN make", "three"},
		{"its log's end", "j enter", "last", "\x1b"},
		{"up in its log", "j enter g", "line", "last"},
		{"and down again by one", "j enter g j G", "last", ""},
		{"why it failed", "j j enter", "exit code: 2", "RUN make"},
		{"back from a job", "j j enter q", "> ✗ two", ""},
		{"back to the run", "j q", keysHint, "> "},
		{"q ends nothing", "q", goesOn, keysHint},
		{"an answer goes away", "q esc", keysHint, goesOn},
		{"to the last from the run", "G", "> ✓ one", ""},
		{"help", "?", "Ctrl-C", "four"},
		{"back from help", "? x", keysHint, "Esc, q"},
		{"a filter", "/ t h r", "> ✓ three", "four"},
		{"one of states", "/ F a i l e d enter", "> ✗ two", "four"},
		{"one that is corrected", "/ t h x backspace r", "> ✓ three", "four"},
		{"one for nothing", "/ z", "no job that has begun has z", "four"},
		{"one with keys' letters", "/ q j ?", "/qj?", keysHint},
		{"a filter taken back", "/ t w o esc", "four", "/two"},
		{"back from a filter", "/ t w o enter q", "four", "/two"},
		{"open with a filter", "/ t w o enter enter", "exit code: 2", "RUN make"},
	} {
		m := pressed(t, watched(t, log), strings.Fields(tt.keys)...)
		got := m.View().Content
		if !strings.Contains(got, tt.shows) || tt.hides != "" && strings.Contains(got, tt.hides) {
			t.Errorf("%s (%s): shall show %q and not %q:\n%s", tt.name, tt.keys, tt.shows, tt.hides, got)
		}
	}
}

// That a run stops is said wherever one looks.
func TestStoppingIsSaidInLists(t *testing.T) {
	m, _ := update(t, pressed(t, watched(t, "")), newsOf(false, told{60, journal.Stopping{Reason: "interrupted"}}))
	if got := pressed(t, m, "j").View().Content; !strings.Contains(got, "stopping, Ctrl-C again quits at once") {
		t.Errorf("the list is\n%s", got)
	}
}

// A log is followed as it grows, and one that cannot be read says why.
func TestOpenedLogGrows(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	m := pressed(t, watched(t, log), "j", "enter")
	if got := m.View().Content; !strings.Contains(got, "no such file") {
		t.Errorf("without a log:\n%s", got)
	}
	for _, text := range []string{"first\n", "first\nsecond\n"} {
		if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m, _ = update(t, m, m.readLog()())
		if got, want := m.View().Content, strings.Fields(text); !strings.Contains(got, want[len(want)-1]) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if err := os.WriteFile(log, []byte(strings.Repeat("x", tailBytes)+"\nend"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tail := (logTail{}).again(log); strings.Join(tail.lines, "|") != "end" {
		t.Errorf("of a long log %.40q is read", tail.lines)
	}
}

func TestKeysBeforeAnyJob(t *testing.T) {
	m := modelOf()
	m.browser.keys = true
	m, _ = update(t, m, newsOf(false, told{0, runOf(60, 3)}))
	if got := pressed(t, m, "j").View().Content; !strings.Contains(got, nothingIs) {
		t.Errorf("without a job:\n%s", got)
	}
	if got := pressed(t, m, "j", "enter", "/", "enter", "enter").View().Content; !strings.Contains(got, "0 of 0 jobs") {
		t.Errorf("the empty list:\n%s", got)
	}
}

// Whatever is opened fits the screen, however small.
func TestBrowsedFits(t *testing.T) {
	for _, keys := range []string{"", "q", "j", "j enter", "j j enter", "?", "/ x"} {
		m := pressed(t, watched(t, "nowhere"), strings.Fields(keys)...)
		for width := 1; width < 130; width += 3 {
			for height := 2; height < 30; height++ {
				m, _ = update(t, m, tea.WindowSizeMsg{Width: width, Height: height})
				lines := strings.Split(m.View().Content, "\n")
				if len(lines) > height {
					t.Errorf("%q at %dx%d: %d lines", keys, width, height, len(lines))
				}
				for _, l := range lines {
					if ansi.StringWidth(l) > width {
						t.Errorf("%q at %dx%d: %q", keys, width, height, l)
					}
				}
			}
		}
	}
}
