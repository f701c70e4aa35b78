package run

import (
	"fmt"

	"github.com/stoker-build/stoker/internal/ledger"
)

// When the first jobs all fail for good in the same way, the rest would too.
const hopelessAfter = 10

func tooMany(failed int) error {
	jobs := "jobs"
	if failed == 1 {
		jobs = "job"
	}
	return fmt.Errorf("%d %s failed, more than --max-failures allows", failed, jobs)
}

// hopeless returns why so many of the jobs failed in the same way, for good or in the
// same step with the same code, that the others would too; empty where one was built,
// or where they did not. What was found out before any attempt, such as an image that does
// not exist, costs nothing and comes before the first image can be built: it tells nothing
// of jobs of which that was not found.
func hopeless(entries []ledger.Entry) string {
	alike := map[string][]ledger.FailedJob{}
	for _, e := range entries {
		if e.Status == ledger.Built {
			return ""
		}
		if e.Status != ledger.Failed || e.AttemptCount == 0 || e.Failure == nil || !tellsOfOthers(*e.Failure) {
			continue
		}
		cause := e.Failure.Cause()
		alike[cause] = append(alike[cause], ledger.FailedJob{Name: e.Name, Failure: *e.Failure})
		if len(alike[cause]) == hopelessAfter {
			return ledger.Together(alike[cause]).Common().String()
		}
	}
	return ""
}

// How often a full disk may end a job's attempts before that counts as the job's own
// failure, and how often where nothing seems to help.
const (
	maxFull     = 5
	hopefulFull = 2
)

// afterFull is what is known once a full disk has ended an attempt and what is dead was
// removed.
type afterFull struct {
	times int   // how often that has happened to the job
	broke bool  // the cache was broken by an earlier time, which was mended since
	alone bool  // no other job ran
	freed int64 // bytes that were removed
	swept bool  // nothing kept the rest from being removed
	waits bool  // others took the space, and may give it back
	fits  bool  // the job fits now
}

// hopeless tells that the job would only fill the disk again. At first it is not:
// admission may still make room by removing what is live, and where the full disk kept
// it from that, the next attempt has what this one left. Nor is it where the cache was
// broken: that tells nothing of the job's size.
func (a afterFull) hopeless() bool {
	helpless := !a.broke && a.alone && a.freed == 0 && a.swept && !a.waits && !a.fits
	return a.times > maxFull || a.times > hopefulFull && helpless
}
