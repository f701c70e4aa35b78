//go:build unix && !linux

package process

import "syscall"

// left tells whether something is in the group.
func (g group) left() bool { return syscall.Kill(-int(g), 0) == nil }
