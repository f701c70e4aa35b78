package builder

import "golang.org/x/sys/unix"

// Disk is the state of a file system, in bytes.
type Disk struct {
	Total int64
	Used  int64
	Free  int64 // what an unprivileged process may still take
}

// UsedPercent is how full the disk is.
func (d Disk) UsedPercent() float64 {
	if d.Total == 0 {
		return 0
	}
	return 100 * float64(d.Used) / float64(d.Total)
}

// DiskOf returns the state of the file system that holds a path.
func DiskOf(path string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Disk{}, err
	}
	block := int64(st.Bsize)
	return Disk{
		Total: int64(st.Blocks) * block,
		Used:  int64(st.Blocks-st.Bfree) * block,
		Free:  int64(st.Bavail) * block,
	}, nil
}
