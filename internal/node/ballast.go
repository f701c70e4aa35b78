package node

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"github.com/stoker-build/stoker/internal/builder"
)

// ballast is a file that takes up a little of the disk that holds a cache. On a
// disk that is full to the last byte BuildKit can delete nothing, since it
// writes to its database first (measured on v0.34.2); dropping the ballast
// gives it the room to. It is one run's, which has its lock: another on the same disk
// goes without.
type ballast struct {
	path string
	size int64
	disk func(path string) (builder.Disk, error)

	mu   sync.Mutex // guards lock and held
	lock *flock.Flock
	held bool
}

const (
	leastBallast = 4 << 20
	mostBallast  = 64 << 20
)

// newBallast returns the ballast of a directory's disk. What a killed run left of it
// is taken over.
func newBallast(dir string, disk builder.Disk, of func(string) (builder.Disk, error)) *ballast {
	b := &ballast{path: filepath.Join(dir, ".stoker-ballast"), size: min(max(disk.Total/50, leastBallast), mostBallast), disk: of}
	b.lock = flock.New(b.path, flock.SetPermissions(0o600))
	if _, err := os.Stat(b.path); err == nil {
		b.held, _ = b.lock.TryLock()
	}
	return b
}

// bytes is what it takes up now.
func (b *ballast) bytes() int64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held {
		return 0
	}
	return b.size
}

// hold takes the space, where there is plenty left. Where it cannot, the run
// goes on without.
func (b *ballast) hold() {
	if b == nil {
		return // on a disk that cannot be seen
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	disk, err := b.disk(filepath.Dir(b.path))
	if b.held || err != nil || disk.Free < 4*b.size {
		return
	}
	if mine, err := b.lock.TryLock(); err != nil || !mine {
		return
	}
	if b.held = b.take() == nil; !b.held {
		b.remove()
	}
}

// take makes the file as large as it is to be.
func (b *ballast) take() error {
	f, err := os.OpenFile(b.path, os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return allocate(f, b.size)
}

func (b *ballast) remove() {
	_ = os.Remove(b.path) // while it is locked: nobody else's then
	_ = b.lock.Unlock()
	b.held = false
}

// drop gives the space back.
func (b *ballast) drop() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		b.remove()
	}
}

// dropWhenTight gives the space back where BuildKit may need it to delete. It
// must have it before: a delete that fails halfway loses what it has begun to
// delete, for as long as the cache lives (measured on v0.34.2).
func (b *ballast) dropWhenTight() {
	if b == nil {
		return
	}
	disk, err := b.disk(filepath.Dir(b.path))
	if err == nil && disk.Free < b.size/2 {
		b.drop()
	}
}
