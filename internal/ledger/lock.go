package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// BusyError tells that a run is writing into a directory now.
type BusyError struct{ Dir string }

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("another run is writing into the output directory %s: wait for its end, or choose another directory by --output-dir", e.Dir)
}

// How long a lock is tried for: whoever looks at the run holds it for a moment.
const lockPatience = 200 * time.Millisecond

// takeLock locks a directory for this process. The kernel gives the lock up
// however the process ends; the file stays, since to remove it would let two
// runs lock two files of that name.
func takeLock(dir string) (*flock.Flock, error) {
	// Others may look at the run, too.
	lock := flock.New(filepath.Join(dir, LockFile), flock.SetPermissions(0o644))
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	free, err := lock.TryLockContext(ctx, lockPatience/10)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	if !free {
		return nil, &BusyError{Dir: dir}
	}
	return lock, nil
}

// Held tells whether a run is writing into a directory now.
func Held(dir string) (bool, error) {
	path := filepath.Join(dir, LockFile)
	if err := checkFile(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	// A shared lock needs no right to write, and lets others look too.
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	return !free, errors.Join(err, lock.Close())
}
