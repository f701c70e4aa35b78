package every

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, running := 0, false
		stop := Interval(time.Second, func() {
			calls++
			running = true
			time.Sleep(1500 * time.Millisecond)
			running = false
		})
		time.Sleep(5*time.Second + time.Millisecond)
		stop()
		// At 1 s, then whenever the one before has ended: the call that begins at 4 s is
		// waited for.
		if calls != 3 || running {
			t.Errorf("%d calls, one still running: %t", calls, running)
		}
		time.Sleep(time.Minute)
		if calls != 3 {
			t.Errorf("%d calls after the end", calls)
		}
	})
}
