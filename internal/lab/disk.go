package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	bkdisk "github.com/moby/buildkit/util/disk"
	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/internal/strays"
)

// fillName is the file that stands for what others put on a disk.
const fillName = "somebody-elses-file"

// Disk is a real ext4 file system of a fixed size, on a loop device. All its methods may be
// called concurrently, Close excepted.
type Disk struct {
	dir    string // holds the image file and the mount point
	mount  string
	fillMu sync.Mutex
	filled int64
}

// NewDisk makes and mounts a disk of size bytes, of which the file system itself takes some. It
// must run as root.
func NewDisk(size int64) (*Disk, error) {
	if err := Root("a disk of its own"); err != nil {
		return nil, err
	}
	dir, err := tempDir("disk")
	if err != nil {
		return nil, err
	}
	d := &Disk{dir: dir, mount: filepath.Join(dir, "mnt")}
	if err := d.make(size); err != nil {
		return nil, errors.Join(fmt.Errorf("make disk: %w", err), d.Close())
	}
	return d, nil
}

func (d *Disk) make(size int64) error {
	if err := os.Mkdir(d.mount, 0o755); err != nil {
		return err
	}
	image := filepath.Join(d.dir, "disk.ext4")
	file, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
		return err
	}
	// Initialized at once, so that nothing writes to the disk later on its own account.
	if err := run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image); err != nil {
		return err
	}
	return run("mount", "-o", "loop,noatime", image, d.mount)
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// Path is where the disk is mounted. There is a lost+found in it.
func (d *Disk) Path() string { return d.mount }

// Usage is the bytes in use and in all, as df shows them.
func (d *Disk) Usage() (used, total int64, err error) {
	s, err := bkdisk.GetDiskStat(d.mount)
	return s.Total - s.Free, s.Total, err
}

// Use is how many bytes were in use at a moment of a watch.
type Use struct {
	After time.Duration // its start
	Bytes int64
}

// Watch looks at the disk every interval until ctx ends or the returned function is called, which
// gives all that was seen.
func (d *Disk) Watch(ctx context.Context, interval time.Duration) (stop func() []Use) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	start := time.Now()
	var seen []Use
	look := func() {
		if used, _, err := d.Usage(); err == nil {
			seen = append(seen, Use{time.Since(start), used})
		}
	}
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			look()
			select {
			case <-ctx.Done():
				look()
				return
			case <-ticker.C:
			}
		}
	}()
	return func() []Use {
		cancel()
		<-done
		return seen
	}
}

// WatchPeak is Watch for the most bytes that were in use at any look.
func (d *Disk) WatchPeak(ctx context.Context, interval time.Duration) (stop func() int64) {
	watched := d.Watch(ctx, interval)
	return func() int64 { return Peak(watched()) }
}

// Peak is the most bytes that were in use.
func Peak(uses []Use) int64 {
	var peak int64
	for _, use := range uses {
		peak = max(peak, use.Bytes)
	}
	return peak
}

// Fill takes bytes away, as somebody else's file on the same disk would. Calls add up.
func (d *Disk) Fill(bytes int64) error {
	d.fillMu.Lock()
	defer d.fillMu.Unlock()
	file, err := os.OpenFile(filepath.Join(d.mount, fillName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Fallocate(int(file.Fd()), 0, d.filled, bytes); err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	d.filled += bytes
	return nil
}

// FillUp takes all that is left, to the last block.
func (d *Disk) FillUp() error {
	const block = 1 << 10 // of a file system as small as the lab's
	for bytes := int64(1 << 30); bytes >= block; {
		switch err := d.Fill(bytes); {
		case errors.Is(err, unix.ENOSPC):
			bytes /= 2
		case err != nil:
			return err
		}
	}
	return nil
}

// Unfill gives back all that Fill and FillUp took.
func (d *Disk) Unfill() error {
	d.fillMu.Lock()
	defer d.fillMu.Unlock()
	d.filled = 0
	if err := os.Remove(filepath.Join(d.mount, fillName)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close unmounts the disk and removes it. What runs on it must have ended; what is left mounted
// on it is unmounted as well.
func (d *Disk) Close() error {
	if err := strays.Unmount(d.dir); err != nil {
		return err
	}
	return os.RemoveAll(d.dir)
}
