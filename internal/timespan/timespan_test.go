package timespan

import (
	"testing"
	"time"
)

func TestText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 40 * time.Millisecond: "0.0s", 50 * time.Millisecond: "0.1s", 12345 * time.Millisecond: "12.3s",
		59940 * time.Millisecond: "59.9s", 59950 * time.Millisecond: "1m00s", 185 * time.Second: "3m05s",
		time.Hour - time.Second/2: "1h00m", time.Hour + 2*time.Minute + 29*time.Second: "1h02m", 50 * time.Hour: "50h00m",
	} {
		if got := Text(d); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
		if got := OfSeconds(d.Seconds()); got != want {
			t.Errorf("%g seconds are written %q, want %q", d.Seconds(), got, want)
		}
	}
}
