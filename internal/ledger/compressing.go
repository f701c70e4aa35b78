package ledger

import (
	"fmt"

	"github.com/stoker-build/stoker/internal/timespan"
)

// Compressing is what compressing new layers took in a run, and what it would have taken in
// other ways: by a trial with some of the layers.
type Compressing struct {
	// Way is how they were compressed, as --compression has it.
	Way string `json:"way"`
	// Seconds are those of all jobs, which go for making the images, too.
	Seconds float64 `json:"seconds"`
	// SampleBytes is how much was tried, before it was compressed.
	SampleBytes int64      `json:"sample_bytes"`
	Others      []OtherWay `json:"others"`
}

// OtherWay is what compressing in another way would make of a run.
type OtherWay struct {
	Way string `json:"way"`
	// Seconds are those that it would take about, of all jobs.
	Seconds float64 `json:"seconds"`
	// Size is that of the layers in it, where 1 is as they are.
	Size float64 `json:"size"`
}

// worthSaying is the least part of the time that another way saves, so that it is told.
const worthSaying = 0.2

// String says what would have saved time; empty for nothing.
func (c *Compressing) String() string {
	if c == nil || len(c.Others) == 0 {
		return ""
	}
	best := c.Others[0]
	for _, o := range c.Others[1:] {
		if o.Seconds < best.Seconds {
			best = o
		}
	}
	if best.Seconds > c.Seconds*(1-worthSaying) {
		return ""
	}
	return fmt.Sprintf("compressing with %s took %s: %s would take about %s and make layers %s",
		c.Way, timespan.OfSeconds(c.Seconds), best.Way, timespan.OfSeconds(best.Seconds), sizeText(best.Size))
}

// sizeText says how much larger or smaller something would be, where 1 is as it is.
func sizeText(size float64) string {
	switch percent := 100 * (size - 1); {
	case percent >= 0.5:
		return fmt.Sprintf("%.0f%% larger", percent)
	case percent <= -0.5:
		return fmt.Sprintf("%.0f%% smaller", -percent)
	}
	return "as large"
}
