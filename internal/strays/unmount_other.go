//go:build !linux

package strays

import (
	"errors"
	"fmt"
)

// unmount is never needed here: buildkitd runs on Linux.
func unmount(point string) error {
	return fmt.Errorf("unmount %s: %w", point, errors.ErrUnsupported)
}
