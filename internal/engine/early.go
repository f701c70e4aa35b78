package engine

import (
	"errors"
	"fmt"
	"strings"

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
		r.cancel(fmt.Errorf("%d jobs failed, more than --max-failures allows", failed))
		return
	}
	if why := hopeless(entries); why != "" {
		r.cancel(fmt.Errorf("the first %d jobs all failed for the same reason: %s", hopelessAfter, why))
	}
}

// hopeless returns why the first jobs that were built all failed for good in the
// same way; empty where they did not.
func hopeless(entries []ledger.Entry) string {
	why, n := "", 0
	for _, e := range entries {
		if e.Status == ledger.Skipped {
			continue
		}
		if e.Status != ledger.Failed || e.ErrorClass != string(builder.Permanent) {
			return ""
		}
		reason := kind(*e.Error)
		if n > 0 && reason != why {
			return ""
		}
		if why, n = reason, n+1; n == hopelessAfter {
			return why
		}
	}
	return ""
}

// kind says what kind of failure a message tells of: why its class was given,
// or what it begins with.
func kind(message string) string {
	if _, why := builder.Classify(errors.New(message)); why != "" {
		return why
	}
	start, _, _ := strings.Cut(message, ":")
	return start
}
