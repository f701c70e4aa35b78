package builder

import (
	"errors"
	"os"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// unmountBelow unmounts what a daemon that was killed left mounted below its
// root: the file systems of steps that were running. Nothing is left after a
// daemon that ended in order, and without root nothing can be in the way.
func unmountBelow(root string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(root))
	if err != nil {
		return err
	}
	slices.Reverse(mounts) // the newest first
	var errs []error
	for _, m := range mounts {
		if m.Mountpoint == root {
			continue // the root may be a disk of its own
		}
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
