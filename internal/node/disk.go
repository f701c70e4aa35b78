package node

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
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

// watchedDisk is the disk that holds a node's cache, where it can be seen.
type watchedDisk struct {
	path   string
	first  builder.Disk // when the run began
	others int64        // bytes of first that were not the cache
	of     func(path string) (builder.Disk, error)
	*ballast
}

// openDisk finds the node's disk; nil where it cannot be seen.
func (n *Node) openDisk() *watchedDisk {
	path := n.Space.DiskPath
	if path == "" {
		path = n.Daemon.Root()
	}
	if path == "" {
		return nil
	}
	first, err := n.DiskOf(path)
	if err != nil {
		n.warn("", "the disk of %s cannot be seen: %s", path, err)
		return nil
	}
	d := &watchedDisk{path: path, first: first, others: first.Used, of: n.DiskOf, ballast: newBallast(path, first, n.DiskOf)}
	if n.sweeper != nil {
		d.others = max(first.Used-n.sweeper.Counts().StartBytes, 0)
	}
	d.hold()
	return d
}

// name is what the bound is called.
func (d *watchedDisk) name() string { return "the disk of " + d.path }

func (d *watchedDisk) used(context.Context) (int64, error) {
	now, err := d.of(d.path)
	return now.Used, err
}

// isFull tells whether it is full to the last half percent.
func (d *watchedDisk) isFull() bool {
	now, err := d.of(d.path)
	return err == nil && now.Free < now.Total/200
}

func (d *watchedDisk) holdBallast() {
	if d != nil {
		d.hold()
	}
}

func (d *watchedDisk) dropBallast() {
	if d != nil {
		d.drop()
	}
}

// watchDisk notes the most that is used of the disk and when it is full, until the
// returned function is called.
func (n *Node) watchDisk() (stop func()) {
	if n.disk == nil {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(diskInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n.lookAtDisk()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

func (n *Node) lookAtDisk() {
	now, err := n.disk.of(n.disk.path)
	if err != nil {
		return
	}
	n.space.noteUsed(n.disk.name(), now.Used)
	if now.Free < now.Total/200 {
		n.full.note(time.Now())
	}
}

// DiskIsFull tells whether the disk is full, or was a moment ago, where it can be seen. A
// step may fail for a full disk without saying so: busybox reports an I/O error, and
// BuildKit only the exit code.
func (n *Node) DiskIsFull() bool {
	if n.disk == nil {
		return false
	}
	if n.disk.isFull() {
		n.full.note(time.Now())
	}
	return n.full.within(fullMemory, time.Now())
}

// UnseenDiskIsFull finds out whether a disk is full that cannot be seen, once a step has
// failed that printed so: whether it was for others a while ago, or is now.
func (n *Node) UnseenDiskIsFull(ctx context.Context) bool {
	return n.disk == nil && (n.full.within(brokenMemory, time.Now()) || n.Daemon.DiskFull(ctx))
}

// NoteFull notes that a full disk ended an attempt, also where it cannot be seen.
func (n *Node) NoteFull() { n.full.note(time.Now()) }

// WasFull tells whether the disk was full so recently that a broken cache may come from
// that.
func (n *Node) WasFull() bool { return n.full.within(brokenMemory, time.Now()) }

// WasLost is WasFull for a daemon that did not answer.
func (n *Node) WasLost() bool { return n.lost.within(brokenMemory, time.Now()) }
