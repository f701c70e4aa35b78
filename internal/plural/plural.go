// Package plural writes counts with their nouns, and many names as the first of them.
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

// Some lists the first of some names, and tells how many more there are.
func Some(names []string, most int, between string) string {
	list := strings.Join(names[:min(len(names), most)], between)
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// And lists all of some names, as a sentence has them.
func And(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
