package report

import (
	"fmt"
	"math"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/timeline"
)

// Seen is a run as it is on record, and what is known of it beside that.
type Seen struct {
	ledger.Record
	// Events are what its journal tells; nil where nobody has read that.
	Events *timeline.Run
	// Given are its flags and arguments, as they were given; nil where that is not known.
	Given map[string]string
}

// started is how the run was started; empty where that is not known.
func (s Seen) started() journal.RunStarted {
	if s.Events == nil {
		return journal.RunStarted{}
	}
	return s.Events.Start
}

// Figures are what one run came to. What is not known is nil; a rate and a median are nil,
// too, where nothing was built.
type Figures struct {
	Run
	// WallClock takes the place of the run's own, which is 0 where it is not known.
	WallClock     *float64 `json:"wall_clock_seconds"`
	ImagesPerHour *float64 `json:"images_per_hour"`
	MedianSeconds *float64 `json:"median_build_seconds"`
	// PullBytes were to be pulled by the forecast, compressed.
	PullBytes      *int64 `json:"pull_bytes"`
	PulledBytes    *int64 `json:"pulled_bytes"` // as the builders told
	ReclaimedBytes *int64 `json:"reclaimed_bytes"`
	// PeakBytes is the most that was used of PeakOf: of the tightest bound, else the cache.
	PeakBytes *int64 `json:"peak_bytes"`
	PeakOf    string `json:"peak_of,omitempty"`
}

// figuresOf are those of a run: of one that has no summary as far as its events tell.
func figuresOf(s Seen) Figures {
	f := Figures{Run: runOf(s.Record)}
	sum := s.Summary
	if sum == nil {
		f.addEvents(s.Events)
		sum = s.soFar()
	}
	f.WallClock = positive(sum.WallClockSeconds)
	f.ImagesPerHour, f.MedianSeconds = positive(sum.ImagesPerHour), positive(sum.MedianSeconds)
	f.PullBytes, f.PulledBytes, f.ReclaimedBytes = s.bytes()
	switch {
	case sum.Space != nil && sum.Space.PeakBytes > 0:
		f.PeakBytes, f.PeakOf = &sum.Space.PeakBytes, sum.Space.Bound
	case sum.Cache != nil:
		f.PeakBytes, f.PeakOf = &sum.Cache.PeakBytes, "the cache"
	}
	return f
}

// bytes are what a run was to pull by its forecast, has pulled and has reclaimed: of one that has
// no summary as far as its events tell.
func (s Seen) bytes() (toPull, pulled, reclaimed *int64) {
	if sum, events := s.Summary, s.Events; sum != nil {
		toPull, pulled = sum.ForecastPullBytes, sum.PulledBytes
		if sum.Prune != nil {
			reclaimed = &sum.Prune.ReclaimedBytes
		}
	} else if events != nil && !events.Began.IsZero() {
		pulled, reclaimed = positive(events.Pulled), new(events.Reclaimed())
	}
	return toPull, pulled, reclaimed
}

// soFar is what a run without a summary has come to.
func (s Seen) soFar() *ledger.Summary {
	from, to := s.Run.LastStart().Time, time.Time{}
	for _, e := range s.Entries {
		if e.FinishedAt.After(to) {
			to = e.FinishedAt.Time
		}
	}
	if s.Events != nil && s.Events.Latest.After(to) {
		to = s.Events.Latest
	}
	if from.IsZero() || to.Before(from) {
		to = from
	}
	return new(ledger.Summarize(s.Entries, s.Run.JobCount, from, to))
}

// addEvents adds what the events of a run tell that has no summary.
func (f *Figures) addEvents(r *timeline.Run) {
	if r == nil || r.Began.IsZero() {
		return
	}
	for _, l := range r.Levels {
		if l.Bound != "" && !l.Unknown {
			f.PeakOf = l.Bound
		}
	}
	for _, l := range r.Levels {
		if f.PeakOf != "" && l.Bound == f.PeakOf && !l.Unknown && (f.PeakBytes == nil || l.UsedBytes > *f.PeakBytes) {
			f.PeakBytes = new(l.UsedBytes)
		}
	}
}

// positive is a figure that nobody knows where it is 0.
func positive[T int64 | float64](v T) *T {
	if v <= 0 {
		return nil
	}
	return &v
}

// moved is an amount of what a run pulled or reclaimed; nothing to tell of where no job was built.
func (f Figures) moved(bytes *int64) string {
	return moved(bytes, f.Built+f.Failed > 0 || f.State != Finished)
}

// moved is an amount that jobs pulled or reclaimed, or nothing, where none was at work.
func moved(bytes *int64, worked bool) string {
	if bytes == nil && !worked {
		return none
	}
	return amount(bytes)
}

// none stands where there is nothing to tell a figure of.
const none = "-"

// rate is images an hour, for people.
func rate(perHour *float64) string {
	if perHour == nil {
		return none
	}
	return fmt.Sprintf("%.0f", *perHour)
}

// percent says by how much a figure has changed; nothing where that is not known, or less
// than half a percent.
func percent(a, b *float64) string {
	if a == nil || b == nil || *a <= 0 {
		return ""
	}
	change := math.Round((*b - *a) / *a * 100)
	if change == 0 {
		return ""
	}
	return fmt.Sprintf("%+.0f%%", change)
}
