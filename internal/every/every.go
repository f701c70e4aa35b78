// Package every does something again and again beside other things.
package every

import "time"

// Interval calls do again and again, one call at a time and none more often than that,
// until the returned function is called, which returns once no call runs any more.
func Interval(interval time.Duration, do func()) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for waitFor(tick.C, quit) {
			do()
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// waitFor the next tick, or say that there is none to wait for: also when a tick came while
// do ran, and the end with it, of which select would take either.
func waitFor(tick <-chan time.Time, quit <-chan struct{}) bool {
	select {
	case <-quit:
		return false
	default:
	}
	select {
	case <-quit:
		return false
	case <-tick:
		return true
	}
}
