package ledger

import (
	"testing"
	"time"
)

// Of a run that was gone on with, what had been built and skipped by then is kept; what had failed
// is made again.
func TestKept(t *testing.T) {
	at := func(seconds int) Time { return Time{Time: time.Unix(int64(1000+seconds), 0)} }
	r := Record{Run: RunRecord{StartedAt: at(0)}, Entries: []Entry{
		{Name: "a", Status: Built, Time: at(1)}, {Name: "b", Status: Skipped, Time: at(2)}, {Name: "c", Status: Failed, Time: at(3)},
		{Name: "d", Status: Built, Time: at(11)}, {Name: "e", Status: Skipped, Time: at(12)},
	}}
	if k := r.KeptCount(); k.Jobs() != 0 {
		t.Errorf("a run by itself has kept %+v", k)
	}
	r.Run.ResumedAt = []Time{at(5), at(10)}
	if k := r.KeptCount(); k != (KeptCount{Built: 1, Skipped: 1}) {
		t.Errorf("it has kept %+v", k)
	}
}
