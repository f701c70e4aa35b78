//go:build !linux && !darwin

package show

import (
	"errors"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Elsewhere no keys are taken.

func inForeground(*os.File) bool { return false }

func oneByOne(*os.File) (back func(), err error) { return nil, errors.ErrUnsupported }

func readable(*os.File, time.Duration) (bool, error) { return false, errors.ErrUnsupported }

// Nor is a program stopped.

func yieldTerminal(*os.File, *tty, *tea.Program) {}
