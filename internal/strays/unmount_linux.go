package strays

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// unmount unmounts one mount point. A mount that stays busy is detached: it
// then goes when its last user ends.
func unmount(point string) error {
	err := unix.Unmount(point, 0)
	for try := 0; errors.Is(err, unix.EBUSY) && try < 20; try++ {
		time.Sleep(50 * time.Millisecond)
		err = unix.Unmount(point, 0)
	}
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(point, unix.MNT_DETACH)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) { // not mounted any more
		return fmt.Errorf("unmount %s: %w", point, err)
	}
	return nil
}
