package lab

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestFits(t *testing.T) {
	good := unix.Statfs_t{Type: unix.TMPFS_MAGIC, Bsize: 4096, Bavail: roomInMemory / 4096}
	small, strict, disk := good, good, good
	small.Bavail-- // as the 64 MB that a container has
	strict.Flags = unix.ST_NOEXEC
	disk.Type = unix.EXT4_SUPER_MAGIC
	for name, tt := range map[string]struct {
		fs   unix.Statfs_t
		want bool
	}{
		"memory": {good, true}, "too little of it": {small, false}, "no programs may be run": {strict, false}, "a disk": {disk, false},
	} {
		if got := fits(tt.fs); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}
