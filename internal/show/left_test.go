package show

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// went is a job that began and ended; an end of 0 is none yet.
type went struct {
	name       string
	begin, end float64
}

func outlookOf(jobs []Expected, all ...went) *outlook {
	o := newOutlook(jobs)
	for _, w := range all {
		o.begin(w.name, sec(w.begin))
		if w.end > 0 {
			o.end(w.name, sec(w.end), true)
		}
	}
	return o
}

func TestLeftOfKnownJobs(t *testing.T) {
	learned := []Expected{{"a", "k", "x", 10}, {"b", "k", "x", 20}, {"c", "k", "x", 30}}
	kinds := []Expected{{"a", "k", "x", 0}, {"b", "k", "x", 0}, {"c", "k", "y", 0}, {"d", "k", "y", 0}, {"e", "other", "z", 0}}
	for _, tt := range []struct {
		name    string
		jobs    []Expected
		went    []went
		workers int
		now     float64
		want    float64 // seconds; negative for not known
	}{
		{"learned, before all", learned, nil, 1, 0, 60},
		{"no less than the longest", learned, nil, 9, 0, 30},
		{"one runs", learned, []went{{"a", 0, 0}}, 1, 4, 56},
		{"one runs for longer than it should", learned, []went{{"a", 0, 0}}, 1, 40, 51},
		{"all are twice as slow", learned, []went{{"a", 0, 20}}, 1, 20, 100},
		{"nothing known", kinds, nil, 1, 0, -1},
		{"not each worker could end one", kinds, []went{{"a", 0, 9}}, 2, 9, -1},
		// c is the first of its base as a was, d is not, and of e's kind none has ended.
		{"the first of a base takes longer", kinds, []went{{"a", 0, 20}, {"b", 20, 24}}, 1, 24, 20 + 4 + 12},
		{"its followers know nothing else yet", kinds[:4], []went{{"a", 0, 20}}, 1, 20, 60},
		{"as many as were busy", kinds[:2], []went{{"a", 0, 10}, {"b", 10, 0}}, 1, 10, 10},
		{"all have ended", kinds[:2], []went{{"a", 0, 10}, {"b", 10, 20}}, 1, 90, 0},
	} {
		got, known := outlookOf(tt.jobs, tt.went...).left(sec(tt.now), tt.workers)
		switch {
		case known != (tt.want >= 0):
			t.Errorf("%s: %v, known %v", tt.name, got, known)
		case known && (got-ofSeconds(tt.want)).Abs() > time.Millisecond:
			t.Errorf("%s: %v, want %vs", tt.name, got, tt.want)
		}
	}
}

// Jobs that wait for space leave workers idle, and will go on doing so.
func TestLeftByBusyWorkers(t *testing.T) {
	jobs := []Expected{{"a", "k", "", 10}, {"b", "k", "", 10}, {"c", "k", "", 10}, {"d", "k", "", 10}}
	if got, _ := outlookOf(jobs, went{"a", 0, 10}, went{"b", 10, 20}).left(sec(20), 4); got != 20*time.Second {
		t.Errorf("%v left although one was busy at a time", got)
	}
}

// Whatever happens, an estimate is not negative, is nothing once all has ended, and does not
// grow while jobs only end in the time that they were expected to take.
func TestLeftProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, workers := rapid.IntRange(1, 12).Draw(t, "jobs"), rapid.IntRange(1, 4).Draw(t, "workers")
		learned := rapid.Bool().Draw(t, "learned")
		var jobs []Expected
		for i := range n {
			j := Expected{Name: fmt.Sprint(i), Kind: rapid.SampledFrom([]string{"k", "l"}).Draw(t, "kind"), Base: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "base")}
			if learned {
				j.Seconds = rapid.Float64Range(0.1, 100).Draw(t, "seconds")
			}
			jobs = append(jobs, j)
		}
		o, at := newOutlook(jobs), 0.0
		for i, j := range jobs {
			o.begin(j.Name, sec(at))
			at += rapid.Float64Range(-5, 50).Draw(t, "took") // clocks are set back
			if left, known := o.left(sec(at), workers); left < 0 || learned && !known {
				t.Fatalf("after %d jobs: %v left, known %v", i, left, known)
			}
			o.end(j.Name, sec(at), rapid.Bool().Draw(t, "tells"))
		}
		if left, known := o.left(sec(at), workers); known && left != 0 {
			t.Fatalf("%v left of nothing", left)
		}
	})
}

func TestLeftFallsWhileOneWaits(t *testing.T) {
	o := outlookOf([]Expected{{"a", "k", "", 50}, {"b", "k", "", 20}}, went{"a", 0, 0})
	last := time.Hour
	for at := range 45 {
		left, known := o.left(sec(float64(at)), 1)
		if !known || left >= last {
			t.Errorf("after %d s: %v left, and %v before", at, left, last)
		}
		last = left
	}
}
