package engine

import (
	"fmt"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/ledger"
)

// stopEarly ends the run after a failed job where going on makes no sense.
func (r *run) stopEarly(err error) {
	if r.FailFast {
		r.cancel(errFailFast)
		return
	}
	entries := r.Ledger.Entries()
	failed := 0
	for _, e := range entries {
		if e.Status == ledger.Failed {
			failed++
		}
	}
	if r.MaxFailures >= 0 && failed > r.MaxFailures {
		r.cancel(tooMany(failed))
		return
	}
	// What an earlier run has built says nothing of what is broken now.
	if why := hopeless(entries[len(r.Resumed):]); why != "" {
		r.cancel(fmt.Errorf("no job was built and %d failed for the same reason; %d were not tried: %s", hopelessAfter, len(r.Plan.Jobs)-len(entries), why))
	}
}

func tooMany(failed int) error {
	jobs := "jobs"
	if failed == 1 {
		jobs = "job"
	}
	return fmt.Errorf("%d %s failed, more than --max-failures allows", failed, jobs)
}

// hopeless returns why so many of the jobs failed in the same way, for good or in the
// same step with the same code, that the others would too; empty where one was built,
// or where they did not.
func hopeless(entries []ledger.Entry) string {
	alike := map[string][]ledger.FailedJob{}
	for _, e := range entries {
		if e.Status == ledger.Built {
			return ""
		}
		if e.Status != ledger.Failed || e.Failure == nil || !tellsOfOthers(*e.Failure) {
			continue
		}
		kind := e.Failure.Kind()
		alike[kind] = append(alike[kind], ledger.FailedJob{Name: e.Name, Failure: *e.Failure})
		if len(alike[kind]) == hopelessAfter {
			return ledger.Groups(alike[kind])[0].Common().String()
		}
	}
	return ""
}

// tellsOfOthers tells that jobs that do the same will fail in the same way.
func tellsOfOthers(f ledger.Failure) bool {
	return f.Class == string(builder.Permanent) || f.Class == string(builder.StepFailed)
}
