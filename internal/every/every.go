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
		for {
			select {
			case <-tick.C:
				do()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}
