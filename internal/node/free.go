package node

import (
	"context"
	"errors"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/sweep"
)

// Freed is what was done to make room.
type Freed struct {
	Records int
	Bytes   int64
	Held    int   // records that would have gone, but for builds that hold them
	Err     error // why a removal ended early, also on purpose; nil if none did
}

var errLeft = errors.New("it was ended on purpose")

// remove runs one removal that somebody waits for, and tells of it.
func (n *Node) remove(do func(*sweep.Sweeper) sweep.Sweep) Freed {
	if n.sweeper == nil {
		return Freed{}
	}
	n.disk.dropWhenTight()
	w := do(n.sweeper)
	n.swept(w)
	freed := Freed{Records: w.Removed.Records, Bytes: w.Removed.Bytes, Held: w.Busy.Records, Err: w.Err}
	if w.Left {
		freed.Err = errLeft
	}
	return freed
}

// freeDead removes what is dead, and then what is left over, up to a number of bytes.
func (n *Node) freeDead(ctx context.Context, bytes int64) Freed {
	return n.remove(func(s *sweep.Sweeper) sweep.Sweep { return s.Free(ctx, bytes) })
}

// evict removes live records that may allows, those that are needed latest first.
func (n *Node) evict(ctx context.Context, bytes int64, may func(cache.Wanting) bool) Freed {
	return n.remove(func(s *sweep.Sweeper) sweep.Sweep { return s.Evict(ctx, bytes, may) })
}

// FreeForeign removes left-over and foreign records, the least recently used first.
func (n *Node) FreeForeign(ctx context.Context, bytes int64) Freed {
	return n.remove(func(s *sweep.Sweeper) sweep.Sweep { return s.FreeForeign(ctx, bytes) })
}

// letGo has the daemon drop what it keeps of builds that have ended, and free what no record
// holds.
func (n *Node) letGo(ctx context.Context) {
	n.Daemon.Forget(ctx)
	n.collect(ctx)
}

// collect has the daemon free what no record holds. On a disk that is full to the last
// byte that may fail; removing a record does the same then.
func (n *Node) collect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	_ = n.Daemon.Collect(ctx)
}

// collectTimeout bounds that: to free the files of many failed steps takes a while.
const collectTimeout = 5 * time.Minute

// makeRoom removes what is dead, as much as a job is short of and down to the low
// watermark, and where nothing is, what the daemon keeps of builds that have ended, and
// what is foreign if that is allowed, and then what was pulled ahead.
// Where that is nothing either and nothing runs, it waits a moment for what is dead and yet
// held, has the daemon free what failed steps left, and under PruneAuto removes live
// records: those that are needed latest first. What the job itself needs stays: it would
// have to be made again, and need as much more. It tells whether something was done that
// may help.
func (n *Node) makeRoom(ctx context.Context, job int, s state, w *Wait) bool {
	want := max(s.short(), s.limit.Surplus(s.used))
	freed := n.freeDead(ctx, want)
	switch {
	case freed.Bytes > 0, n.Daemon.Forget(ctx) > 0, n.Prune.Foreign && n.FreeForeign(ctx, want).Bytes > 0:
		return true
	case n.dropAhead(ctx, s.short()) > 0:
		return true
	case s.running > 0:
		return false
	case freed.Held > 0 && w.letGo(ctx):
		return true
	case !w.collected:
		w.collected = true
		n.collect(ctx)
		return true
	case n.Prune.Policy != PruneAuto, ctx.Err() != nil:
		return false
	}
	others := func(w cache.Wanting) bool { return !w.Has(job) }
	inDoubt := func(w cache.Wanting) bool { return w.InDoubt() } // which do not count as there for the job
	return n.evict(ctx, s.short(), others).Bytes > 0 || n.evict(ctx, s.short(), inDoubt).Bytes > 0
}

// freeAfterFull removes all that is dead, and what failed attempts left. On a disk that
// is full to the last byte BuildKit cannot, while attempts run that take what comes
// free; one that cannot be seen may be.
func (n *Node) freeAfterFull(ctx context.Context) Freed {
	if !n.disk.isSeen() || n.disk.isFull() {
		release := n.attempts.calm(ctx, fullWait)
		defer release()
	}
	n.letGo(ctx) // first: a delete that finds no room to be noted in leaves its records held
	freed := n.freeDead(ctx, everything)
	freed.Bytes += n.dropAhead(ctx, everything)
	n.letGo(ctx)
	n.disk.hold() // the next attempts may fill the disk again
	return freed
}
