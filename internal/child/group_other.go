//go:build !linux

package child

import (
	"os"
	"syscall"
)

// Daemons are children on Linux only. Elsewhere a child is a process like any
// other.

func attributes() *syscall.SysProcAttr { return nil }

func askToEnd(p *os.Process) { _ = p.Signal(os.Interrupt) }

func awaitEnd(int) {}

func killGroup(int) {}
