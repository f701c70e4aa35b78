//go:build !linux

package process

import "os"

// Daemons are children on Linux only. Elsewhere a child is a process like any other.

func askToEnd(p *os.Process) { _ = p.Signal(os.Interrupt) }

func endGroup(int) {}

func wake(*os.Process) {}
