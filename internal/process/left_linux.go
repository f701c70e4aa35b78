package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// left tells whether something runs in the group. A process that has ended stays in it
// until its parent takes note, which nobody may do in a container: that does not count.
func (g group) left() bool {
	if syscall.Kill(-int(g), 0) != nil {
		return false
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return true
	}
	for _, path := range stats {
		if stat, err := os.ReadFile(path); err == nil && g.has(stat) {
			return true
		}
	}
	return false
}

// has tells whether a process runs in the group, by its /proc/PID/stat: behind the
// program's name, which may have anything in it, are its state, its parent and its group.
func (g group) has(stat []byte) bool {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return false
	}
	return string(fields[2]) == strconv.Itoa(int(g))
}
