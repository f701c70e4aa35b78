package sweep

import (
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// Counts are a run's totals on one node.
//
// Large: a field for each total.
type Counts struct {
	Sweeps, Slices int
	Removing       int       // sweeps that removed something
	Dead           cache.Sum // what was found dead: what was removed and what is left
	Removed        cache.Sum
	Refused        cache.Sum                 // of the last sweep that was asked for them
	Refusals       int                       // how often BuildKit left a record that it was asked to remove
	Astray         cache.Sum                 // removed, but was not dead; must be 0
	Left           cache.Sum                 // dead at the last look and not removed since
	There          map[cache.State]cache.Sum // at the last look and not removed since; nil before the first
	Longest        time.Duration
	Failures       []string
	StartBytes     int64 // of the cache, when the run began
	PeakBytes      int64 // the largest seen
	EndBytes       int64 // at the last look
}

// counts adds Counts up.
type counts struct {
	mu    sync.Mutex // guards what follows
	c     Counts
	there map[string]judged // the records of the last look, by their IDs, that were not removed since
}

// judged is a record's size, and the verdict on it.
type judged struct {
	size  int64
	state cache.State
}

// look notes the size of the cache, and what is in it.
func (c *counts) look(report *cache.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.EndBytes = cache.SumOf(report.Records).Bytes
	c.c.PeakBytes = max(c.c.PeakBytes, c.c.EndBytes)
	c.there = make(map[string]judged, len(report.Records))
	for i, v := range report.Verdicts {
		c.there[report.Records[i].ID] = judged{report.Records[i].Size, v.State}
	}
}

// removed notes what BuildKit removed.
func (c *counts) removed(records []cache.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		delete(c.there, r.ID)
		c.c.EndBytes -= r.Size
	}
}

func (c *counts) add(w Sweep) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Sweeps++
	if w.Removed.Records > 0 {
		c.c.Removing++
	}
	c.c.Slices += w.Slices
	c.c.Removed = c.c.Removed.Plus(w.Removed)
	c.c.Refused, c.c.Refusals = w.Refused, c.c.Refusals+w.Refused.Records
	c.c.Astray = c.c.Astray.Plus(w.Astray)
	c.c.Longest = max(c.c.Longest, w.Longest)
	if w.Err != nil {
		c.c.Failures = append(c.c.Failures, w.Err.Error())
	}
}

// Counts returns the totals so far.
func (s *Sweeper) Counts() Counts {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	c := s.counts.c
	if s.counts.there != nil {
		c.There = map[cache.State]cache.Sum{}
	}
	for _, r := range s.counts.there {
		c.There[r.state] = c.There[r.state].Plus(cache.Sum{Records: 1, Bytes: r.size})
	}
	c.Left = c.There[cache.Dead]
	c.Dead = c.Removed.Plus(c.Left)
	return c
}
