package sweep

import (
	"context"
	"fmt"

	"github.com/stoker-build/stoker/internal/cache"
)

// Trim removes dead records until the cache is no larger than keep bytes and,
// where foreign allows it, foreign ones after them, the least recently used
// first. It waits for a running sweep and returns when it is done.
func (s *Sweeper) Trim(ctx context.Context, keep int64, foreign bool) Sweep {
	return s.alone(ctx, Relief, func(ctx context.Context, w *Sweep) {
		s.again(ctx, w, func() (left bool) {
			report, ok := s.lookFor(ctx, w)
			if !ok {
				return false
			}
			list := report.Pick(cache.Policy{LeftOver: true, Foreign: foreign})
			totals, before := report.Totals(), w.Removed.Bytes
			surplus := totals.Sum().Bytes - keep
			s.remove(ctx, upTo(list, surplus), w)
			return surplus > w.Removed.Bytes-before && w.Busy.Records+w.Refused.Records > 0
		})
	})
}

// Free removes dead records until a number of bytes is free, the least useful
// first and those that earlier runs left after them, and does not yield to
// builds: something waits for the space.
func (s *Sweeper) Free(ctx context.Context, bytes int64) Sweep {
	return s.urgent(ctx, func(r *cache.Report) []cache.Record { return upTo(r.Pick(unneeded), bytes) })
}

// unneeded lets go what no job needs and is nobody else's.
var unneeded = cache.Policy{LeftOver: true}

// Evict removes live records that may allows, by the unfinished jobs that need
// them, until a number of bytes is free: those that are needed latest first.
func (s *Sweeper) Evict(ctx context.Context, bytes int64, may func(cache.Wanting) bool) Sweep {
	return s.urgent(ctx, func(r *cache.Report) []cache.Record { return upTo(r.Evictable(may), bytes) })
}

// Mend removes the records that an unfinished job alone needs and that may
// allows.
func (s *Sweeper) Mend(ctx context.Context, job int, may func(cache.Verdict) bool) Sweep {
	return s.urgent(ctx, func(r *cache.Report) []cache.Record {
		return r.Own(job, may)
	})
}

// FreeForeign is Free, but goes on with foreign records, the least recently used first.
func (s *Sweeper) FreeForeign(ctx context.Context, bytes int64) Sweep {
	all := cache.Policy{LeftOver: true, Foreign: true}
	return s.urgent(ctx, func(r *cache.Report) []cache.Record { return upTo(r.Pick(all), bytes) })
}

func (s *Sweeper) urgent(ctx context.Context, pick func(*cache.Report) []cache.Record) Sweep {
	return s.alone(ctx, Relief, func(ctx context.Context, w *Sweep) {
		report, ok := s.lookFor(ctx, w)
		if ok {
			w.urgent = true
			s.remove(ctx, pick(report), w)
		}
	})
}

// lookFor looks at the cache for a sweep.
func (s *Sweeper) lookFor(ctx context.Context, w *Sweep) (*cache.Report, bool) {
	report, err := s.Look(ctx)
	if err != nil {
		w.Err = fmt.Errorf("listing the records: %w", err)
		return nil, false
	}
	totals := report.Totals()
	w.Dead, w.Busy = w.Removed.Plus(totals.Dead), totals.Busy
	if w.Dead.Records > 0 {
		s.tell(w)
	}
	return report, true
}

// upTo returns as many records from the start of a list as make up a number of
// bytes.
func upTo(list []cache.Record, bytes int64) []cache.Record {
	for i, r := range list {
		if bytes <= 0 {
			return list[:i]
		}
		bytes -= r.Size
	}
	return list
}
