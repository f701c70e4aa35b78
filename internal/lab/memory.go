package lab

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	sharedMemory = "/dev/shm"
	// roomInMemory is how many bytes must be free in shared memory for parts to live there.
	roomInMemory = 4 << 30
)

// Memory is a directory whose files are in memory, where 4 GiB are free there and programs may be
// run from it; empty where there is none.
func Memory() string {
	var fs unix.Statfs_t
	if err := unix.Statfs(sharedMemory, &fs); err != nil || !fits(fs) {
		return ""
	}
	return sharedMemory
}

// fits tells whether a file system is in memory, and has what parts need.
func fits(fs unix.Statfs_t) bool {
	return fs.Type == unix.TMPFS_MAGIC && fs.Flags&unix.ST_NOEXEC == 0 && int64(fs.Bavail)*fs.Bsize >= roomInMemory
}

// inMemory is where temporary directories are to be made that belong into memory: the usual place
// where that is in memory itself, or where there is no room.
func inMemory() string {
	if strings.HasPrefix(os.TempDir(), sharedMemory+"/") {
		return ""
	}
	return Memory()
}
