package process

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func askToEnd(p *os.Process) {
	_ = p.Signal(syscall.SIGTERM)
	wake(p) // one that is stopped could not end
}

func wake(p *os.Process) { _ = p.Signal(syscall.SIGCONT) }

// endGroup waits for the end of a child, leaves it to be waited for, and kills what it
// has started: until then, its number is its group's and nobody else's.
func endGroup(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	gather(pid).kill()
}
