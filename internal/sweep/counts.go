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
	Refused        cache.Sum // of the last sweep that was asked for them
	Refusals       int       // how often BuildKit left a record that it was asked to remove
	Astray         cache.Sum // removed, but was not dead; must be 0
	Left           cache.Sum // dead at the last look and not removed since
	Longest        time.Duration
	Failures       []string
	StartBytes     int64 // of the cache, when the run began
	PeakBytes      int64 // the largest seen
	EndBytes       int64 // at the last look
}

// counts adds Counts up.
type counts struct {
	mu   sync.Mutex
	c    Counts
	left map[string]int64 // sizes of the records that are dead and still there
}

// look notes the size of the cache, and what is dead in it.
func (c *counts) look(report *cache.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.EndBytes = cache.SumOf(report.Records).Bytes
	c.c.PeakBytes = max(c.c.PeakBytes, c.c.EndBytes)
	c.left = map[string]int64{}
	for i, v := range report.Verdicts {
		if v.State == cache.Dead {
			c.left[report.Records[i].ID] = report.Records[i].Size
		}
	}
}

// removed notes what BuildKit removed.
func (c *counts) removed(records []cache.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		delete(c.left, r.ID)
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
	for _, size := range s.counts.left {
		c.Left.Records++
		c.Left.Bytes += size
	}
	c.Dead = c.Removed.Plus(c.Left)
	return c
}
