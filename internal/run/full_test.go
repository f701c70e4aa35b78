package run

import (
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node/nodetest"
)

// A daemon that waits for ever for a layer, since its disk was full as it was to be written, is
// started anew where it is the run's own, which costs no job an attempt. Of another one the
// failure says what helps.
func TestStandsStillAfterAFullDisk(t *testing.T) {
	for name, private := range map[string]bool{"private": true, "of others": false} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				d := nodetest.New("one", 1500*mb)
				d.Locks(private)
				s := newStage(t, 1, 8, d)
				time.AfterFunc(35*time.Second, func() { d.Take(1400 * mb) })
				time.AfterFunc(55*time.Second, func() { d.Take(-1400 * mb) })
				sum := s.run(t.Context())
				if len(of[journal.DiskFull](s)) == 0 {
					t.Fatal("the disk was never full, so that nothing was shown")
				}
				lost := of[journal.BuilderLost](s)
				if !private {
					if sum.Failed == 0 || len(lost) > 0 {
						t.Errorf("%d failed, the builder was lost %d times", sum.Failed, len(lost))
					}
					for _, f := range of[journal.AttemptFailed](s) {
						if !strings.Contains(f.Error, "start it anew") {
							t.Errorf("the failure does not say what helps: %s", f.Error)
						}
					}
					return
				}
				s.allBuilt(sum, 1)
				if n := sum.Recoveries[string(journal.MendBuilder)]; n != 1 || len(lost) == 0 || len(of[journal.AttemptFailed](s)) > 0 {
					t.Errorf("it was started anew %d times, lost %+v, failures %+v", n, lost, of[journal.AttemptFailed](s))
				}
			})
		})
	}
}

func TestHopelessAfterAFullDisk(t *testing.T) {
	// A job that nothing helps: each case below changes one thing.
	base := afterFull{times: hopefulFull + 1, alone: true, swept: true}
	tests := []struct {
		name   string
		change func(*afterFull)
		want   bool
	}{
		{"nothing helps", func(*afterFull) {}, true},
		{"the first times", func(a *afterFull) { a.times = hopefulFull }, false},
		{"others ran", func(a *afterFull) { a.alone = false }, false},
		{"something was removed", func(a *afterFull) { a.freed = 1 }, false},
		{"a sweep failed", func(a *afterFull) { a.swept = false }, false},
		{"others may give the space back", func(a *afterFull) { a.waits = true }, false},
		{"the cache was broken", func(a *afterFull) { a.broke = true }, false},
		{"it fits now", func(a *afterFull) { a.fits = true }, false},
		{"as often as may be, with help", func(a *afterFull) { a.times, a.freed, a.fits = maxFull, 1, true }, false},
		{"too often, whatever helps", func(a *afterFull) { a.times, a.freed, a.fits = maxFull+1, 1, true }, true},
	}
	for _, tt := range tests {
		a := base
		tt.change(&a)
		if got := a.hopeless(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
