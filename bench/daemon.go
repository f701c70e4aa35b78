package main

import (
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/lab"
)

// clockTick is the unit of times in /proc, the same on all architectures that Linux has.
const clockTick = 10 * time.Millisecond

// daemonCPU is the processor time that a daemon has used so far, with that of its children that
// have ended.
func daemonCPU(d *lab.Buildkitd) (time.Duration, error) {
	pid, err := builder.Listener(strings.TrimPrefix(d.Addr(), "unix://"))
	if err != nil {
		return 0, err
	}
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	used, err := process.Stat()
	return time.Duration(int(used.UTime+used.STime)+used.CUTime+used.CSTime) * clockTick, err
}
