package node

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate takes space on the disk for a file, without writing it.
func allocate(f *os.File, size int64) error {
	return unix.Fallocate(int(f.Fd()), 0, 0, size)
}
