package show

import (
	"time"

	"github.com/stoker-build/stoker/internal/engine"
	"github.com/stoker-build/stoker/internal/ledger"
)

// jsonLines is the view of ModeJSON.
type jsonLines struct{ lines }

// Observe implements View.
func (j *jsonLines) Observe(at time.Time, e engine.Event) {
	line, err := engine.MarshalEvent(at, e)
	if err != nil {
		if j.err == nil {
			j.err = err
		}
		return
	}
	j.write(escapeHidden(string(line)))
}

// quiet is the view of ModeQuiet.
type quiet struct{ lines }

// Observe implements View.
func (q *quiet) Observe(_ time.Time, e engine.Event) {
	if f, ok := e.(engine.JobFinished); ok && f.Entry.Status == ledger.Failed {
		q.write("failed " + clean(f.Entry.Name) + ": " + failureText(f.Entry))
	}
}
