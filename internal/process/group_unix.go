//go:build unix

package process

import "syscall"

// group is a process group, by its number, which is that of its first process. The
// system gives it to nobody else while a process is in the group.
type group int

func gather(first int) group { return group(first) }

func (g group) ask() {
	_ = syscall.Kill(-int(g), syscall.SIGTERM)
	_ = syscall.Kill(-int(g), syscall.SIGCONT) // what is stopped could not end
}

func (g group) kill() { _ = syscall.Kill(-int(g), syscall.SIGKILL) }

func (group) release() {}
