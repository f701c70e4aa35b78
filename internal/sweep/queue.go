package sweep

import "context"

// Queue has a batch swept after those that are queued already.
func (s *Sweeper) Queue(b Batch) {
	s.mu.Lock()
	if s.By == ByDescription && b.Number != 0 {
		// The running batch's layers cannot be told from this one's.
		s.held, b = b, s.held
	}
	if b.Number != 0 || s.By == ByLineage {
		s.queue = append(s.queue, b)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Relieve has the surplus removed, as far as it is dead, unless a sweep is
// queued already.
func (s *Sweeper) Relieve() {
	if s.Idle() {
		s.Queue(Batch{Number: Relief})
	}
}

// Idle tells that no sweep runs and none is queued.
func (s *Sweeper) Idle() bool {
	idle, _ := s.state()
	return idle
}

// Queued tells that a sweep is queued, beside the one that may run.
func (s *Sweeper) Queued() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0
}

// Drain sweeps what is still queued, and then all that is dead once more, since
// records that were in use may be free by then. It returns when that is done or
// ctx is cancelled.
func (s *Sweeper) Drain(ctx context.Context) {
	s.mu.Lock()
	if s.held.Number != 0 {
		s.queue, s.held = append(s.queue, s.held), Batch{}
	}
	s.mu.Unlock()
	s.Queue(Batch{})
	s.await(ctx)
}

// End has the sweep that runs stop after its call, and drops those that are
// queued. To cut a call short is worse: what BuildKit has begun to delete then is
// lost for as long as the cache lives. It returns when that is done or ctx is
// cancelled.
func (s *Sweeper) End(ctx context.Context) {
	s.ending.Store(true)
	s.mu.Lock()
	s.queue = nil
	s.note()
	s.mu.Unlock()
	s.await(ctx)
}

// await returns when no sweep runs and none is queued, or ctx is cancelled.
func (s *Sweeper) await(ctx context.Context) {
	for {
		idle, changed := s.state()
		if idle {
			return
		}
		select {
		case <-changed:
		case <-s.stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}

// state tells that no sweep runs and none is queued, and what is closed when that changes. It is told at
// once: who asked for the one after the other could miss the change between, and wait for ever.
func (s *Sweeper) state() (idle bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.running && len(s.queue) == 0, s.changed
}

// Wait returns when the background has ended, after ctx was cancelled.
func (s *Sweeper) Wait() { <-s.stopped }

func (s *Sweeper) run(ctx context.Context) {
	defer close(s.stopped)
	for {
		b, ok := s.next()
		if !ok {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		s.sweep(ctx, b)
		s.mu.Lock()
		s.running = false
		s.note()
		s.mu.Unlock()
	}
}

func (s *Sweeper) next() (Batch, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return Batch{}, false
	}
	b := s.queue[0]
	s.queue = s.queue[1:]
	s.running = true
	s.note()
	return b, true
}

// note tells who waits that something changed. The caller holds mu.
func (s *Sweeper) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}
