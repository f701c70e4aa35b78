//go:build !linux

package builder

import (
	"os"
	"syscall"
)

// No daemon is started here: buildkitd runs on Linux only.

func childAttributes() *syscall.SysProcAttr { return nil }

func askToEnd(*os.Process) {}

func killGroup(*os.Process) error { return nil }
