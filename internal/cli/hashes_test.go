package cli

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/plan"
)

// teller tells a hash of each job, or an error as often as there are some for it.
type teller struct {
	errs  map[string][]string
	asked map[string]int
}

func (t teller) GraphHashes(_ context.Context, jobs []*plan.Job, found func(*plan.Job, string, error)) error {
	for _, j := range jobs {
		t.asked[j.Name]++
		if n := t.asked[j.Name]; n <= len(t.errs[j.Name]) {
			found(j, "", errors.New(t.errs[j.Name][n-1]))
			continue
		}
		found(j, j.Name+"-hash", nil)
	}
	return nil
}

// What a builder does not tell is asked again: of a registry that throttles as long as that is waited for, of others as often
// as a job is tried, and what is wrong for good not at all.
func TestHashesAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttles, fails, wrong := "unexpected status from HEAD request: 429 Too Many Requests", "it fails", "dockerfile parse error"
		var jobs []*plan.Job
		for _, name := range []string{"told", "throttled", "throttled-for-good", "failing-once", "failing", "wrong"} {
			jobs = append(jobs, &plan.Job{Name: name})
		}
		many := make([]string, 100)
		for i := range many {
			many[i] = throttles
		}
		b := teller{asked: map[string]int{}, errs: map[string][]string{"throttled": {throttles, throttles, throttles, throttles}, "throttled-for-good": many,
			"failing-once": {fails}, "failing": {fails, fails, fails, fails}, "wrong": {wrong, wrong}}}
		began := time.Now()
		all, err := runOptions{retries: 2, retryDelay: time.Second, regPause: 5 * time.Second, regWait: time.Hour}.hashesOf(t.Context(), jobs, b, io.Discard)
		if err != nil || time.Since(began) != time.Hour {
			t.Errorf("after %s, want the hour for which a registry is waited: %v", time.Since(began), err)
		}
		for name, want := range map[string]struct {
			asked int
			told  bool
		}{"told": {1, true}, "throttled": {5, true}, "failing-once": {2, true}, "failing": {3, false}, "wrong": {1, false}} {
			for _, j := range jobs {
				if j.Name == name && (b.asked[name] != want.asked || (all[j].err == nil) != want.told) {
					t.Errorf("%s was asked for %d times, with the error %v, want %d times", name, b.asked[name], all[j].err, want.asked)
				}
			}
		}
	})
}
