package node

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/stoker-build/stoker/internal/bytesize"
)

const (
	// RetryAfter is how long a job that is short of space waits before it is looked
	// again whether there is some, when nothing tells it.
	RetryAfter = time.Second
	// How often a look at the cache may help a job that waits.
	lookInterval = 300 * time.Millisecond
	// How often, and each time how much longer, builds that have ended are given time to let
	// go of their records.
	mostPauses, pause = 5, 100 * time.Millisecond
)

// Wait is what one job's wait for space on a node has come to. The zero value is that of
// one that has not begun.
type Wait struct {
	since, looked   time.Time
	told, collected bool
	pauses          int // for builds that have ended to let go of their records
}

// letGo waits a moment for BuildKit to let go of the records of builds that have ended, and
// tells whether it did.
func (w *Wait) letGo(ctx context.Context) bool {
	if w.pauses >= mostPauses {
		return false
	}
	w.pauses++
	select {
	case <-time.After(time.Duration(w.pauses) * pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// Shortage says why a job has to wait for space.
type Shortage struct {
	Need, Free int64 // in bytes
	Guessed    bool  // the need is not known, and only assumed
	Running    int   // jobs whose end may help
	Bound      string
	// News says that the job begins to wait.
	News bool
}

// LostError says that a daemon does not answer.
type LostError struct{ error }

func (e *LostError) Unwrap() error { return e.error }

// Reservation is the space that a job has on a node.
type Reservation struct {
	// Alone is what was free for the job, in bytes, where it is the only one that
	// runs; else 0.
	Alone int64
}

// Reserve has a job's space reserved, or says what it is short of. It removes what is
// dead, and at last what is needed latest, to make room. Where it fails and the daemon
// does not answer, the error is a *LostError.
func (n *Node) Reserve(ctx context.Context, job int, name string, w *Wait) (*Reservation, *Shortage, error) {
	ctx, stop := n.attend(ctx, forSpace)
	defer stop()
	r, short, err := n.seek(ctx, job, name, w)
	if lost := lostIn(ctx); lost != nil {
		if r != nil {
			n.Release(job)
		}
		return nil, nil, lost
	}
	return r, short, err
}

// seek is Reserve without an eye on whether the daemon answers.
func (n *Node) seek(ctx context.Context, job int, name string, w *Wait) (*Reservation, *Shortage, error) {
	if w.since.IsZero() {
		w.since = time.Now()
	}
	for {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		s := n.space.stateFor(ctx, job)
		switch {
		case n.Prune.Policy == PruneOff || s.fits():
			return n.reserve(job, s), nil, nil
		case n.giveWay(ctx, job):
		case s.unread != "":
			if err := n.lostNow(ctx); err != nil {
				return nil, nil, err
			}
			if s.running > 0 {
				return nil, n.short(s, w), nil
			}
			return n.reserve(job, s), nil, nil
		case !n.Needs.Known():
			if err := n.Needs.Await(ctx); err != nil {
				return nil, nil, err
			}
		case n.lookAgain(ctx, w) || n.makeRoom(ctx, job, s, w) || ctx.Err() != nil:
		case s.running > 0 || n.othersTook(ctx, s, w):
			return nil, n.short(s, w), nil
		default:
			if n.space.noteTried(s) {
				n.warn(name, "it may not fit: %s, and %s has %s left below its limit of %s; it is tried anyway, as are those that need no more",
					s.needs(), s.bound, bytesize.Text(s.left()), bytesize.Text(s.limit.High))
			}
			return n.reserve(job, s), nil, nil
		}
	}
}

func (n *Node) reserve(job int, s state) *Reservation {
	n.space.start(job)
	r := &Reservation{}
	if s.running == 0 {
		r.Alone = s.left()
	}
	return r
}

// short is what a job waits for.
func (n *Node) short(s state, w *Wait) *Shortage {
	short := &Shortage{Need: s.need, Guessed: s.guessed, Free: max(s.limit.High-s.used-s.reserved, 0), Running: s.running, Bound: s.bound, News: !w.told}
	if s.bound == "" {
		short.Bound = s.unread
	}
	if !w.told {
		w.told = true
		n.space.noteWait()
	}
	return short
}

// Exporting notes that a job's steps are done and their results are exported: about
// half of its own space is used.
func (n *Node) Exporting(job int) {
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	n.space.book.Used(job, 0.5)
}

// Release gives back what a job had reserved.
func (n *Node) Release(job int) {
	n.space.mu.Lock()
	defer n.space.mu.Unlock()
	n.space.book.Done(job)
}

// lostNow returns a *LostError when the daemon does not answer.
func (n *Node) lostNow(ctx context.Context) error {
	if err := n.Daemon.Answers(ctx); err != nil && ctx.Err() == nil {
		return &LostError{err}
	}
	return nil
}

// lookAgain updates what is known of the cache, now and then, and tells whether it did.
func (n *Node) lookAgain(ctx context.Context, w *Wait) bool {
	if time.Since(w.looked) < lookInterval {
		return false
	}
	w.looked = time.Now()
	_, err := n.Look(ctx)
	return err == nil
}

// othersTook tells whether a job would fit but for what others put on the disk since the
// run began, and may still be waited for.
func (n *Node) othersTook(ctx context.Context, s state, w *Wait) bool {
	if !n.disk.isSeen() || time.Since(w.since) > n.Space.Wait {
		return false
	}
	cached, err := n.cacheBytes(ctx)
	if err != nil {
		return false // what the run took itself is not known
	}
	others := s.used - cached - n.disk.others
	return others > s.limit.High/20 && s.limit.Fits(s.used-others, s.reserved, s.need)
}

// fullWait is how long the other attempts on a full disk are waited for: most fail too,
// and a daemon then drops what they left.
const fullWait = 10 * time.Second

// AfterFull is what is known once a full disk has ended an attempt and what is dead was
// removed.
type AfterFull struct {
	Freed int64 // bytes that were removed
	Swept bool  // nothing kept the rest from being removed
	Waits bool  // others took the space, and may give it back
	Fits  bool  // the job fits now

	before state
}

// FreeAfterFull makes room after a full disk has ended an attempt at a job. Where the
// daemon stops to answer meanwhile, the error is a *LostError.
func (n *Node) FreeAfterFull(ctx context.Context, job int) (after AfterFull, err error) {
	ctx, stop := n.attend(ctx, forSpace)
	defer stop()
	n.pulls.stop()
	n.boundByLevel(ctx)
	s := n.space.stateFor(ctx, job)
	freed := n.freeAfterFull(ctx)
	after = AfterFull{Freed: freed.Bytes, Swept: freed.Err == nil, before: s,
		Waits: n.othersTook(ctx, s, &Wait{since: time.Now()}), Fits: n.space.stateFor(ctx, job).fits()}
	return after, lostIn(ctx)
}

// TooSmall is the error of a job that the disk is too small for.
func (a AfterFull) TooSmall() error {
	s := a.before
	return fmt.Errorf("the disk is too small for it: %s, and %s had %s left below its limit of %s with all that no job needs removed",
		s.needs(), s.bound, bytesize.Text(max(s.limit.High-s.used+a.Freed, 0)), bytesize.Text(s.limit.High))
}

// ExpectMore has jobs like one be expected to add more than was thought: it filled the
// disk, with Alone bytes where it ran alone.
func (n *Node) ExpectMore(job int, alone int64, a AfterFull) {
	n.space.expectMore(job, alone, a.before.limit.High)
}

// Fits tells whether another job like one would fit now.
func (n *Node) Fits(ctx context.Context, job int) bool {
	ctx, stop := n.whileHeard(ctx)
	defer stop()
	return n.space.stateFor(ctx, job).fits()
}

// everything is more bytes than any cache has.
const everything = math.MaxInt64
