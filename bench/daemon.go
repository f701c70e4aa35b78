package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/internal/lab"
)

// clockTick is the unit of times in /proc, the same on all architectures that Linux has.
const clockTick = 10 * time.Millisecond

// daemonCPU is the processor time that a daemon has used so far, with that of its children that
// have ended.
func daemonCPU(d *lab.Buildkitd) (time.Duration, error) {
	pid, err := listener(strings.TrimPrefix(d.Addr(), "unix://"))
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

// listener is the process that listens on a unix socket.
func listener(path string) (pid int, err error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, peerErr); err != nil {
		return 0, err
	}
	return int(peer.Pid), nil
}
