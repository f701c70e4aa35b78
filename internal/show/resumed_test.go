package show

import (
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// goneOn is a run that was gone on with: a was built before, b takes 10 s and c 100 s as earlier
// runs have seen them, and b has begun.
func goneOn() (ledger.Record, []told) {
	r := statusRecord(ledger.Entry{Name: "a", Status: ledger.Built, Time: ledger.Time{Time: sec(9)}})
	r.Run.JobCount, r.Run.ResumedAt = 3, []ledger.Time{{Time: sec(100)}}
	r.Run.Plan.Jobs = []ledger.PlanJob{{Name: "a", Kind: "k", Seconds: 8}, {Name: "b", Kind: "k", Seconds: 10}, {Name: "c", Kind: "k", Seconds: 100}}
	return r, []told{
		{0, runOf(3, 1)}, {1, journal.JobStarted{Job: "a"}}, {9, built("a", 8)}, {10, journal.JobStarted{Job: "b"}},
		{100, journal.RunStarted{Jobs: 3, Kept: 1, Workers: 1}}, {101, journal.JobStarted{Job: "b"}},
	}
}

// What is left is told to all alike: by what earlier runs have seen of the jobs, without those
// that were kept and what was seen of the run before.
func TestLeftIsToldAlike(t *testing.T) {
	r, events := goneOn()
	s, err := StatusOf(r, eventLines(t, events...), sec(105))
	if err != nil {
		t.Fatal(err)
	}
	terminal := State{outlook: newOutlook(Expect(r.Run.Plan.Jobs, r.Kept()))}
	for _, e := range events[4:] {
		terminal.Apply(sec(e.at), e.event)
	}
	left, known := terminal.Left(sec(105))
	if !known || left.Round(time.Millisecond) != 106*time.Second || s.LeftSeconds == nil || *s.LeftSeconds != ledger.Thousandths(left.Seconds()) {
		t.Errorf("the terminal has %v, the status %v", left, s.LeftSeconds)
	}
	if text := s.Text(0, false); !strings.Contains(text, "1 of 3 jobs done · 0 built, 0 skipped, 0 failed · 1 kept from before · about 1m46s left") || s.Kept != 1 || s.Built != 1 {
		t.Errorf("the status is\n%s", text)
	}
}

// Of jobs that are left, none takes no time: less is said where little is known.
func TestNothingLeftIsNotTold(t *testing.T) {
	s := State{outlook: newOutlook([]Expected{{"a", "k", "x", 100}, {"b", "k", "x", 100}, {"c", "k", "x", 100}})}
	for _, e := range []told{{0, runOf(3, 1)}, {1, journal.JobStarted{Job: "a"}}, {1.2, built("a", 0.2)}, {1.2, journal.JobStarted{Job: "b"}}} {
		s.Apply(sec(e.at), e.event)
	}
	if left, known := s.Left(sec(1.2)); known {
		t.Errorf("with two of three jobs to go, %v are left", left)
	}
}

// The end of a run is told as its summary has it, and not floored.
func TestStatusRoundsAsTheSummary(t *testing.T) {
	r, events := goneOn()
	r.Writing, r.Summary = false, &ledger.Summary{WallClockSeconds: 59.973}
	events = append(events, told{159.973, journal.RunFinished{Summary: *r.Summary}})
	s, err := StatusOf(r, eventLines(t, events...), sec(999))
	if err != nil {
		t.Fatal(err)
	}
	if want := "after " + short(ofSeconds(59.973)) + ","; !strings.Contains(s.Text(0, false), want) || want != "after 1m00s," {
		t.Errorf("no %q in\n%s", want, s.Text(0, false))
	}
}
