package ledger

import (
	"slices"
	"time"
)

// Building is the time from the first start of a run's own jobs to their last end, and how
// many of them were built in it.
type Building struct {
	From, To time.Time
	Images   int
}

// BuildingOf is that of a run that began at started. Earlier entries are kept ones. Times are
// taken as they are on record, so that it is the same during the run and read back.
func BuildingOf(entries []Entry, started time.Time) (b Building) {
	for _, e := range entries {
		if e.Time.Before(started) || e.Status != Built && e.Status != Failed {
			continue
		}
		if b.From.IsZero() || e.StartedAt.Before(b.From) {
			b.From = e.StartedAt.Time
		}
		if e.FinishedAt.After(b.To) {
			b.To = e.FinishedAt.Time
		}
		if e.Status == Built {
			b.Images++
		}
	}
	b.From, b.To = b.From.Truncate(time.Millisecond), b.To.Truncate(time.Millisecond)
	return b
}

// ImagesPerHour is the speed of runs together: what was built over the time in which any of
// them was building; 0 where that is none.
func ImagesPerHour(runs ...Building) float64 {
	images, hours := 0, 0.0
	var last time.Time
	for _, b := range slices.SortedFunc(slices.Values(runs), func(a, b Building) int { return a.From.Compare(b.From) }) {
		images += b.Images
		if b.From.After(last) {
			last = b.From
		}
		if b.To.After(last) {
			hours += b.To.Sub(last).Hours()
			last = b.To
		}
	}
	if hours <= 0 {
		return 0
	}
	return Thousandths(float64(images) / hours)
}
