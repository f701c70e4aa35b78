package sweep

import (
	"context"

	"github.com/stoker-build/stoker/internal/cache"
)

// Remove removes these records and no others, children before parents as they
// are listed, at the pace of a sweep, and returns when it is done. Of o it takes
// Node, Pause, Timeout and Busy.
func Remove(ctx context.Context, o Options, list []cache.Record) Sweep {
	background, cancel := context.WithCancel(ctx)
	s := Start(background, o)
	defer func() {
		cancel()
		s.Wait()
	}()
	return s.alone(ctx, 0, func(ctx context.Context, w *Sweep) {
		for _, r := range list {
			add(&w.Dead, r)
		}
		s.remove(ctx, list, w)
	})
}
