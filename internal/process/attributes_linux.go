package process

import "syscall"

// attributes put a program into a process group of its own, and let it end when this
// process is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
