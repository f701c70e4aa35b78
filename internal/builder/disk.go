package builder

import "github.com/moby/buildkit/util/disk"

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
	st, err := disk.GetDiskStat(path)
	if err != nil {
		return Disk{}, err
	}
	return Disk{Total: st.Total, Used: st.Total - st.Free, Free: st.Available}, nil
}
