package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

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
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseCPU(string(stat))
}

// parseCPU adds up utime, stime, cutime and cstime, the fields 14 to 17. The second one, a name in
// parentheses, may have anything in it.
func parseCPU(stat string) (time.Duration, error) {
	const before = 11 // fields between the name and utime
	_, rest, _ := strings.Cut(stat[max(0, strings.LastIndexByte(stat, ')')):], ")")
	fields := strings.Fields(rest)
	if len(fields) < before+4 {
		return 0, errors.New("unreadable process state")
	}
	var ticks int64
	for _, field := range fields[before : before+4] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}
