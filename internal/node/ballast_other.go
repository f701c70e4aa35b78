//go:build !linux

package node

import (
	"errors"
	"os"
)

// allocate is not needed here: buildkitd, and so its disk, is on Linux.
func allocate(*os.File, int64) error { return errors.ErrUnsupported }
