//go:build linux || darwin

package show

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// inForeground tells whether this program is the one that a terminal's keys are for.
func inForeground(in *os.File) bool {
	group, err := unix.IoctlGetInt(int(in.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// oneByOne has a terminal give keys as they are pressed, without an echo. Ctrl-Z is one of them,
// so that the terminal can be left in order before the program stops.
func oneByOne(in *os.File) (back func(), err error) {
	fd := int(in.Fd())
	found, err := unix.IoctlGetTermios(fd, getModes)
	if err != nil {
		return nil, err
	}
	modes := *found
	modes.Lflag &^= unix.ICANON | unix.ECHO
	modes.Cc[unix.VMIN], modes.Cc[unix.VTIME] = 1, 0
	modes.Cc[unix.VSUSP] = noCharacter
	if err := unix.IoctlSetTermios(fd, setModes, &modes); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, setModes, found) }, nil
}

// readable waits for something to read.
func readable(in *os.File, wait time.Duration) (bool, error) {
	fd := int(in.Fd())
	var set unix.FdSet
	set.Set(fd)
	timeout := unix.NsecToTimeval(wait.Nanoseconds())
	n, err := unix.Select(fd+1, &set, nil, nil, &timeout)
	if err == unix.EINTR {
		return false, nil
	}
	return n > 0, err
}
