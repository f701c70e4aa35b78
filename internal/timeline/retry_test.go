package timeline

import (
	"reflect"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// A job that rests before its next attempt has no worker: two workers have two lanes.
func TestRestsHaveNoLane(t *testing.T) {
	r := told(
		1.0, journal.JobStarted{Job: "a", Node: "n"},
		1.0, journal.AttemptStarted{Job: "a", Attempt: 1},
		1.5, journal.JobStarted{Job: "b", Node: "n"},
		2.0, journal.AttemptFailed{Job: "a", Attempt: 1, Retry: true},
		2.5, journal.JobStarted{Job: "c", Node: "n"}, // takes the lane of a
		3.0, journal.JobFinished{Entry: ledger.Entry{Name: "b", Status: ledger.Built}},
		3.5, journal.AttemptStarted{Job: "a", Attempt: 2}, // and a that of b
		4.0, journal.AttemptFailed{Job: "a", Attempt: 2},
		4.0, journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Failed, AttemptCount: 2}},
	)
	want := []Span{
		{Job: "a", Node: "n", Lane: 0, From: after(1), To: after(2), Attempts: 1, Status: ledger.Failed},
		{Job: "b", Node: "n", Lane: 1, From: after(1.5), To: after(3), Status: ledger.Built},
		{Job: "c", Node: "n", Lane: 0, From: after(2.5)},
		{Job: "a", Node: "n", Lane: 1, From: after(3.5), To: after(4), Attempts: 2, Status: ledger.Failed},
	}
	if !reflect.DeepEqual(r.Spans, want) || r.Lanes("n") != 2 {
		t.Errorf("%d lanes, spans\n%+v\nwant\n%+v", r.Lanes("n"), r.Spans, want)
	}
}

// Nor has one that waits for how it goes with another job that failed alike, whatever becomes of it.
func TestHeldHasNoLane(t *testing.T) {
	r := told(
		1.0, journal.JobStarted{Job: "a", Node: "n"},
		1.0, journal.AttemptStarted{Job: "a", Attempt: 1},
		2.0, journal.JobHeld{Job: "a", For: "x"},
		2.5, journal.JobStarted{Job: "b", Node: "n"}, // takes the lane of a
		3.0, journal.AttemptFailed{Job: "a", Attempt: 1, Retry: true},
		3.0, journal.JobFinished{Entry: ledger.Entry{Name: "b", Status: ledger.Built}},
		3.5, journal.AttemptStarted{Job: "a", Attempt: 2},
		4.0, journal.JobHeld{Job: "a", For: "x"},
		5.0, journal.AttemptFailed{Job: "a", Attempt: 2},
		5.0, journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Failed, AttemptCount: 2}},
	)
	want := []Span{
		{Job: "a", Node: "n", From: after(1), To: after(2), Attempts: 1, Status: ledger.Failed},
		{Job: "b", Node: "n", From: after(2.5), To: after(3), Status: ledger.Built},
		{Job: "a", Node: "n", From: after(3.5), To: after(4), Attempts: 2, Status: ledger.Failed},
	}
	if !reflect.DeepEqual(r.Spans, want) || r.Lanes("n") != 1 {
		t.Errorf("%d lanes, spans\n%+v\nwant\n%+v", r.Lanes("n"), r.Spans, want)
	}
}

// One that goes back to the queue takes a lane when a worker takes it again, maybe of another
// node, and not before.
func TestRestsThatGoBack(t *testing.T) {
	for name, e := range map[string]journal.Event{
		"refused":  journal.JobWaiting{Job: "a", Registries: []string{"docker.io"}},
		"begun":    journal.JobStarted{Job: "a", Node: "other"},
		"finished": journal.JobFinished{Entry: ledger.Entry{Name: "a", Status: ledger.Failed}},
	} {
		r := told(
			1.0, journal.JobStarted{Job: "a", Node: "n"},
			2.0, journal.AttemptFailed{Job: "a", Attempt: 1, Retry: true},
			2.0, e,
		)
		spans := len(r.Spans)
		if r.Apply(after(3), journal.AttemptStarted{Job: "a", Attempt: 2}); len(r.Spans) != spans || r.Spans[0].To != after(2) {
			t.Errorf("%s: spans %+v", name, r.Spans)
		}
	}
}
