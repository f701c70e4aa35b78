// Package plural writes counts with their nouns.
package plural

import (
	"fmt"
	"strings"
)

// Of is a count with its noun, of which the singular is given: 1 image, 2 images, 2 batches.
func Of(n int, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "ch"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
