package run

import "testing"

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
