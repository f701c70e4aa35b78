// Package nodetest has a builder in memory, for tests of what is decided about builds
// without a daemon: its daemons make records, take space, stop to answer and come back.
// What BuildKit does itself is tested against the real one.
package nodetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
)

// Daemon is a daemon in memory. Its methods may be called concurrently.
//
// Large: it does all that is asked of a daemon, and fails in each way that one can.
type Daemon struct {
	// Lingers is how long it holds a build's records after its end; it is set before.
	Lingers time.Duration
	// Builder, when set, says what layers take that are pulled ahead; else none are.
	Builder *Builder
	// FailPulls, when set, tells what a pull ahead comes to; DeleteTakes is how long a delete does.
	FailPulls   func() error
	DeleteTakes time.Duration

	name string
	arch string
	disk builder.Disk // when it is empty

	mu       sync.Mutex // guards what follows
	records  []cache.Record
	held     map[string]int // by how many builds, by the records' ids
	making   int            // numbers records
	deaf     chan struct{}  // open while it does not answer, closed otherwise
	down     error          // all that is asked of it fails
	unlisted error          // so does only listing
	others   int64          // bytes on the disk that are not its cache
	pulled   map[graph.ID]int
	made     map[string]int // of steps, by their descriptions
	peak     int64          // the most that records came to
	lists    int
	aheads   int // pulls
	recovers int
	comeBack bool            // Recover brings it back
	locked   map[string]bool // what builds wait for for ever; nil where it locks nothing
	private  bool
	stops    map[Call]int // at the how many-th call it stops
}

// Call is something that a daemon is asked.
type Call string

// The calls at which a daemon can stop.
const (
	Listing    Call = "listing"
	Deleting   Call = "deleting"
	Forgetting Call = "forgetting"
	Collecting Call = "collecting"
	Asking     Call = "asking" // what a job does
	Pulling    Call = "pulling"
)

// StopAt has it Stop at a call, the first from now on being 1.
func (d *Daemon) StopAt(c Call, nth int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stops[c] = nth
}

// called answers a call, unless it is the one to stop at.
func (d *Daemon) called(ctx context.Context, c Call) error {
	d.mu.Lock()
	d.stops[c]--
	stop := d.stops[c] == 0
	d.mu.Unlock()
	if stop {
		d.Stop()
	}
	return d.answer(ctx)
}

// New returns a daemon that answers and holds nothing, on a disk of so many bytes.
func New(name string, disk int64) *Daemon {
	d := &Daemon{name: name, arch: "amd64", disk: builder.Disk{Total: disk, Free: disk}, deaf: make(chan struct{}), pulled: map[graph.ID]int{}, made: map[string]int{}, held: map[string]int{}, comeBack: true, stops: map[Call]int{}}
	close(d.deaf)
	return d
}

// For makes it a daemon of another architecture.
func (d *Daemon) For(arch string) *Daemon {
	d.arch = arch
	return d
}

// Stop has it answer nothing any more, as one that got SIGSTOP; Continue ends that.
func (d *Daemon) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deaf = make(chan struct{})
}

// Continue ends Stop.
func (d *Daemon) Continue() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.deaf:
	default:
		close(d.deaf)
	}
}

// Kill has all that is asked of it fail. Where it comes back, Recover ends that, with the
// cache as it was.
func (d *Daemon) Kill(comesBack bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down, d.comeBack = errors.New("connection refused"), comesBack
}

// Unlisted has listing fail with an error, or not any more with nil.
func (d *Daemon) Unlisted(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unlisted = err
}

// Take has others take bytes on its disk.
func (d *Daemon) Take(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.others += bytes
}

// Put adds a record that somebody else has made.
func (d *Daemon) Put(description string, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.making++
	d.records = append(d.records, cache.Record{ID: fmt.Sprintf("%s-other-%d", d.name, d.making), Description: description,
		Kind: cache.KindRegular, Size: bytes, CreatedAt: time.Now()})
}

// Bytes is the size of its cache.
func (d *Daemon) Bytes() (sum int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.records {
		sum += r.Size
	}
	return sum
}

// Pulls counts how often it has made a layer of an image that it did not have.
func (d *Daemon) Pulls() (all, different int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.pulled {
		all += n
	}
	return all, len(d.pulled)
}

// Peak is the most that its cache has come to, in bytes.
func (d *Daemon) Peak() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peak
}

// Lists counts how often it was listed.
func (d *Daemon) Lists() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lists
}

// DiskOf tells of its disk, whatever the path.
func (d *Daemon) DiskOf(string) (builder.Disk, error) {
	used := d.Bytes()
	d.mu.Lock()
	defer d.mu.Unlock()
	used = min(used+d.others, d.disk.Total)
	return builder.Disk{Total: d.disk.Total, Used: used, Free: d.disk.Total - used}, nil
}

// answer waits while it does not answer, and fails when it is down.
func (d *Daemon) answer(ctx context.Context) error {
	d.mu.Lock()
	deaf := d.deaf
	d.mu.Unlock()
	select {
	case <-deaf:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down
}

// Name implements node.Daemon.
func (d *Daemon) Name() string { return d.name }

// ID implements node.Daemon.
func (d *Daemon) ID() string { return d.name }

// Root implements node.Daemon: its disk can be seen where it has one.
func (d *Daemon) Root() string {
	if d.disk.Total == 0 {
		return ""
	}
	return "/" + d.name
}

// Platforms implements run.Node.
func (d *Daemon) Platforms() []ocispecs.Platform {
	return []ocispecs.Platform{{OS: "linux", Architecture: d.arch}}
}

// Records implements node.Daemon.
func (d *Daemon) Records(ctx context.Context) ([]cache.Record, error) {
	if err := d.called(ctx, Listing); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lists++
	if d.unlisted != nil {
		return nil, d.unlisted
	}
	records := slices.Clone(d.records)
	for i := range records {
		records[i].InUse = d.held[records[i].ID] > 0
	}
	return records, nil
}

// Delete implements node.Daemon.
func (d *Daemon) Delete(ctx context.Context, ids []string) (removed []cache.Record, err error) {
	if err := d.called(ctx, Deleting); err != nil {
		return nil, err
	}
	select {
	case <-time.After(d.DeleteTakes):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for more := true; more; {
		more = false
		for i, r := range d.records {
			if slices.Contains(ids, r.ID) && d.held[r.ID] == 0 && !d.hasChild(r.ID) {
				removed = append(removed, r)
				d.records = slices.Delete(d.records, i, i+1)
				more = true
				break
			}
		}
	}
	return removed, nil
}

func (d *Daemon) hasChild(id string) bool {
	return slices.ContainsFunc(d.records, func(r cache.Record) bool { return slices.Contains(r.Parents, id) })
}

// Prune has somebody else remove all that no build holds.
func (d *Daemon) Prune(ctx context.Context) {
	d.mu.Lock()
	var ids []string
	for _, r := range d.records {
		ids = append(ids, r.ID)
	}
	d.mu.Unlock()
	_, _ = d.Delete(ctx, ids)
}

// Unlink implements node.Daemon.
func (d *Daemon) Unlink(ctx context.Context, ids []string) ([]cache.Record, error) {
	return d.Delete(ctx, ids)
}

// Collect implements node.Daemon.
func (d *Daemon) Collect(ctx context.Context) error { return d.called(ctx, Collecting) }

// DeleteByDescription implements node.Daemon.
func (d *Daemon) DeleteByDescription(context.Context, []string) ([]cache.Record, error) {
	return nil, nil
}

// Forget implements node.Daemon.
func (d *Daemon) Forget(ctx context.Context) int {
	_ = d.called(ctx, Forgetting) // it has kept nothing
	return 0
}

// Answers implements node.Daemon.
func (d *Daemon) Answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Second, errors.New(d.name+" does not answer"))
	defer cancel()
	return d.answer(ctx)
}

// Recover implements node.Daemon.
func (d *Daemon) Recover(ctx context.Context, _ time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("it did not answer for 10m0s"))
	defer cancel()
	for {
		d.mu.Lock()
		d.recovers++
		if d.comeBack {
			d.down = nil
		}
		d.mu.Unlock()
		if err := d.answer(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// DiskFull implements node.Daemon.
func (d *Daemon) DiskFull(context.Context) bool { return false }

// Layers implements node.Daemon.
func (d *Daemon) Layers(context.Context, []string, func(string, graph.ImageLayers)) error { return nil }
