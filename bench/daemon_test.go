package main

import (
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	got, err := parseCPU("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0\n")
	if want := 1270 * time.Millisecond; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	for _, stat := range []string{"", "7 (a", "7 (a) S 1 2 3", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x 20 3 4"} {
		if got, err := parseCPU(stat); err == nil {
			t.Errorf("%q: %s without an error", stat, got)
		}
	}
}
