package builder

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer returns the process that listens on a unix socket.
func peer(path string) (pid int, err error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil || sockErr != nil {
		return 0, sockErr
	}
	return int(cred.Pid), nil
}
