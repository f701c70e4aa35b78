package throttle

import (
	"testing"
	"testing/synctest"
	"time"
)

var hub = []string{"docker.io"}

func options() Options {
	return Options{First: 5 * time.Second, Longest: time.Hour, Patience: 2 * time.Hour}
}

// With nobody let through, each pause is about twice as long as the one before, up to
// an hour, until one last time when patience ends.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(options())
		began := time.Now()
		var pauses []time.Duration
		for job := 0; ; job++ {
			wait := r.Enter(job, hub)
			if wait == Never {
				break
			}
			time.Sleep(wait)
			if r.Enter(job, hub) != 0 {
				t.Fatal("the pause is over, and yet nobody may ask")
			}
			before := time.Now()
			s, news := r.Refused("docker.io", job, time.Time{})
			if !news || s.Tries != job+1 {
				t.Fatalf("refusal %d: news %v, %+v", job+1, news, s)
			}
			pauses = append(pauses, s.Until.Sub(before))
		}
		for i, pause := range pauses[:10] {
			usual := min(5*time.Second<<i, time.Hour)
			if pause < usual*8/10 || pause > usual*12/10 {
				t.Errorf("pause %d is %s, want about %s", i+1, pause, usual)
			}
		}
		if waited := time.Since(began); waited != 2*time.Hour || len(pauses) > 16 {
			t.Errorf("given up after %s and %d refusals, want 2h", waited, len(pauses))
		}
		if s := r.GivenUp(); len(s) != 1 || !s[0].Since.Equal(began) || !s[0].Until.After(time.Now()) {
			t.Errorf("given up: %+v", s)
		}
	})
}

// After a pause one asks, and the others follow only when it got through.
func TestOneAsksForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(options())
		first, _ := r.Refused("docker.io", "a", time.Time{})
		if s, news := r.Refused("docker.io", "b", time.Time{}); news || s != first {
			t.Errorf("the second of those that were refused together: news %v, %+v", news, s)
		}
		if r.Enter("c", hub) <= 0 || r.Enter("d", []string{"ghcr.io"}) != 0 {
			t.Error("it is the refusing registry that is left alone, and no other")
		}
		time.Sleep(time.Until(first.Until))
		if r.Enter("c", hub) != 0 || r.Enter("d", hub) <= 0 {
			t.Error("one may ask, and another may not")
		}
		if r.Enter("c", hub) != 0 {
			t.Error("who asks for all may go on")
		}
		if !r.Leave("c") || r.Enter("d", hub) != 0 {
			t.Error("when it leaves, another may ask")
		}
		if r.Opened("c", hub) || !r.Opened("d", hub) || r.Enter("e", hub) != 0 || r.Enter("f", hub) != 0 {
			t.Error("when it is answered, all may ask")
		}
		second, news := r.Refused("docker.io", "e", time.Time{})
		if pause := time.Until(second.Until); !news || second.Tries != 2 || pause < 8*time.Second || second.Since != first.Since {
			t.Errorf("refused again before anything was done: news %v, %+v, pause %s", news, second, pause)
		}
		if well := r.Done("f", hub); well != nil {
			t.Errorf("who had asked before the pause shows nothing, and yet %v are well", well)
		}
		time.Sleep(time.Until(second.Until))
		r.Enter("f", hub)
		if well := r.Done("f", hub); len(well) != 1 || !r.Calm() {
			t.Errorf("well: %v, calm: %v", well, r.Calm())
		}
	})
}

// What a registry says itself holds, and ends the patience at once where it is too long.
func TestToldPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(options())
		now := time.Now()
		if s, _ := r.Refused("docker.io", "a", now.Add(time.Hour)); !s.Told || time.Until(s.Until) != time.Hour || s.GivenUp {
			t.Errorf("told an hour: %+v", s)
		}
		if s, news := r.Refused("docker.io", "b", now.Add(time.Minute)); news || time.Until(s.Until) != time.Hour {
			t.Errorf("the longest counts: %+v", s)
		}
		if s, _ := r.Refused("docker.io", "b", now.Add(6*time.Hour)); !s.GivenUp || r.Enter("c", hub) != Never {
			t.Errorf("told six hours: %+v", s)
		}
		if s, _ := r.Refused("ghcr.io", "a", now.Add(time.Second)); s.Told || time.Until(s.Until) < 3*time.Second {
			t.Errorf("told less than the first pause: %+v", s)
		}
	})
}

func TestNoPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{First: time.Second, Longest: time.Hour})
		if s, _ := r.Refused("docker.io", "a", time.Time{}); !s.GivenUp || !s.Until.After(time.Now()) || r.Enter("a", hub) != Never {
			t.Errorf("%+v", s)
		}
	})
}
