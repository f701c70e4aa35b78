package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/every"
)

const (
	// How often the disk is looked at: a look is one system call.
	diskInterval = 50 * time.Millisecond
	// How long after a disk was full a failure may still come from that: what fills
	// it is often gone before BuildKit has told of the failure.
	fullMemory = 5 * time.Second
	// How long after a full disk or a lost daemon a broken cache may still come from
	// that: records of what could not be written.
	brokenMemory = time.Minute
)

// lastTime remembers when something last happened, by the monotonic clock.
type lastTime struct{ at atomic.Pointer[time.Time] }

func (l *lastTime) note(at time.Time) { l.at.Store(&at) }

func (l *lastTime) within(d time.Duration, now time.Time) bool {
	at := l.at.Load()
	return at != nil && now.Sub(*at) < d
}

// after tells whether it happened after something else last did.
func (l *lastTime) after(other *lastTime) bool {
	at, before := l.at.Load(), other.at.Load()
	return at != nil && (before == nil || at.After(*before))
}

// first notes a moment unless one was noted not long before it, and tells whether it did:
// of several that come at once, one is the first.
func (l *lastTime) first(d time.Duration, now time.Time) bool {
	at := l.at.Load()
	return (at == nil || now.Sub(*at) >= d) && l.at.CompareAndSwap(at, &now)
}

// disk is the one that holds a node's cache, as far as it can be seen.
type disk struct {
	path   string       // empty where it cannot be seen: then it is full when the daemon says so
	first  builder.Disk // when the run began
	others int64        // bytes of first that were not the cache
	of     func(path string) (builder.Disk, error)
	daemon Daemon
	full   lastTime   // when it ended an attempt, or was seen full
	ending sync.Mutex // guards ended, and that the daemon is ended once
	ended  lastTime   // when it was since a job stood still after the disk was full
	*ballast
}

// openDisk finds the node's disk.
func (n *Node) openDisk() *disk {
	path := n.Space.DiskPath
	if path == "" {
		path = n.Daemon.Root()
	}
	if path == "" {
		return &disk{daemon: n.Daemon}
	}
	first, err := n.DiskOf(path)
	if err != nil {
		n.warn("", "the disk of %s cannot be seen: %s", path, err)
		return &disk{daemon: n.Daemon}
	}
	d := &disk{path: path, of: n.DiskOf, daemon: n.Daemon, ballast: newBallast(path, first, n.DiskOf)}
	if d.first, err = d.look(); err != nil {
		d.first = first
	}
	d.others = d.first.Used
	if n.sweeper != nil {
		d.others = max(d.first.Used-n.sweeper.Counts().StartBytes, 0)
	}
	return d
}

// look tells of the disk as if the ballast were no part of it.
func (d *disk) look() (builder.Disk, error) {
	now, err := d.of(d.path)
	now.Used = max(now.Used-d.bytes(), 0)
	return now, err
}

// name is what the bound is called.
func (d *disk) name() string { return "the disk of " + d.path }

// isSeen tells whether it can be seen.
func (d *disk) isSeen() bool { return d.path != "" }

func (d *disk) used(context.Context) (int64, error) {
	now, err := d.look()
	return now.Used, err
}

// watch notes the most that is used of the disk and when it is full, until the returned
// function is called.
func (d *disk) watch(room *room) (stop func()) {
	if !d.isSeen() {
		return func() {}
	}
	return every.Interval(diskInterval, func() {
		if now, err := d.look(); err == nil {
			room.noteUsed(d.name(), now.Used)
			d.noteIfFull(now)
		}
	})
}

// noteIfFull notes that the disk is full to the last half percent.
func (d *disk) noteIfFull(now builder.Disk) {
	if now.Free < now.Total/200 {
		d.full.note(time.Now())
	}
}

// isFull tells whether the disk is full, or was a moment ago, where it can be seen. A step
// may fail for a full disk without saying so: busybox reports an I/O error, and BuildKit
// only the exit code.
func (d *disk) isFull() bool {
	if !d.isSeen() {
		return false
	}
	if now, err := d.of(d.path); err == nil {
		d.noteIfFull(now)
	}
	return d.full.within(fullMemory, time.Now())
}

// DiskIsFull tells whether a full disk may be behind a failure: one that can be seen is, or
// was a moment ago. Of one that cannot be seen the daemon is asked, where a step that failed
// said so, unless it was for others a while ago.
func (n *Node) DiskIsFull(ctx context.Context, said bool) bool {
	if n.disk.isSeen() {
		return n.disk.isFull()
	}
	return said && (n.WasFull() || n.Daemon.DiskFull(ctx))
}

// NoteFull notes that a full disk ended an attempt, also where it cannot be seen.
func (n *Node) NoteFull() { n.disk.full.note(time.Now()) }

// WasFull tells whether the disk was full so recently that a broken cache may come from
// that.
func (n *Node) WasFull() bool { return n.disk.full.within(brokenMemory, time.Now()) }

// WasLost is WasFull for a daemon that did not answer.
func (n *Node) WasLost() bool { return n.lost.within(brokenMemory, time.Now()) }
