package engine

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
)

const (
	// How often the disks are looked at: a look is one system call.
	diskInterval = 50 * time.Millisecond
	// How long after a disk was full a failure may still come from that: what
	// fills it is often gone before BuildKit has told of the failure.
	fullMemory = 5 * time.Second
	// How long after a full disk or a lost builder a broken cache may still come
	// from that: records of what could not be written.
	brokenMemory = time.Minute
)

// lastTime remembers when something last happened, by the monotonic clock.
type lastTime struct{ at atomic.Pointer[time.Time] }

func (l *lastTime) note(at time.Time) { l.at.Store(&at) }

func (l *lastTime) within(d time.Duration, now time.Time) bool {
	at := l.at.Load()
	return at != nil && now.Sub(*at) < d
}

// watchDisks notes the most that is used of each disk and when one is full,
// until the returned function is called.
func (r *run) watchDisks() (stop func()) {
	return every(diskInterval, func() {
		r.notePeaks()
		r.noteFull()
	})
}

func (r *run) notePeaks() {
	for _, g := range r.room.bounds() {
		if !g.cheap {
			continue
		}
		if used, err := g.used(context.Background()); err == nil {
			r.room.mu.Lock()
			r.room.peaks[g.name] = max(r.room.peaks[g.name], used)
			r.room.mu.Unlock()
		}
	}
}

// noteFull looks whether a disk that holds a node's cache is full.
func (r *run) noteFull() {
	for _, path := range r.diskPaths() {
		if disk, err := builder.DiskOf(path); err == nil && disk.Free < disk.Total/200 {
			r.full.note(time.Now())
		}
	}
}

// diskIsFull tells whether a disk is full, or was a moment ago. A step may fail
// for a full disk without saying so: busybox reports an I/O error, and BuildKit
// only the exit code.
func (r *run) diskIsFull() bool {
	r.noteFull()
	return r.full.within(fullMemory, time.Now())
}

// unseenDiskIsFull finds out whether a disk is full that cannot be seen, once a step
// has failed that printed so: whether it was for others a while ago, or is now.
func (r *run) unseenDiskIsFull(ctx context.Context, err error) bool {
	if len(r.diskPaths()) > 0 || !builder.SaysDiskFull(err) {
		return false
	}
	return r.full.within(brokenMemory, time.Now()) ||
		slices.ContainsFunc(r.Nodes, func(n Node) bool { return n.DiskFull(ctx) })
}
