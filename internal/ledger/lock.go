package ledger

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
)

// BusyError tells that a run is writing into a directory now.
type BusyError struct{ Dir string }

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("another run is writing into the output directory %s: wait for its end, or choose another directory by --output-dir", e.Dir)
}

// takeLock locks a directory for this process. The kernel gives the lock up
// however the process ends; the file stays, since to remove it would let two
// runs lock two files of that name.
func takeLock(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, LockFile))
	free, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, &BusyError{Dir: dir}
	}
	return lock, nil
}
