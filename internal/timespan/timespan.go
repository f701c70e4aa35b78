// Package timespan is how times that something took are written for people. It is pure.
package timespan

import (
	"fmt"
	"time"
)

// Text is a time in the two units that matter: 0.4s, 12.3s, 3m05s, 1h02m.
func Text(d time.Duration) string {
	if d = d.Round(time.Second / 10); d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	if d = d.Round(time.Second); d < time.Hour {
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// OfSeconds is the Text of so many seconds.
func OfSeconds(s float64) string { return Text(time.Duration(s * float64(time.Second))) }
