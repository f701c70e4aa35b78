package mistakes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/util/suggest"
)

// Shorter words are near to too many others; only case may differ in them.
const leastWord = 3

// DidYouMean ends a message about a word with the option that it is a slip of, behind
// a prefix; empty where none is near.
func DidYouMean(word, prefix string, options []string) string {
	near, found := "", false
	if i := slices.IndexFunc(options, func(o string) bool { return strings.EqualFold(word, o) }); i >= 0 {
		near, found = options[i], true
	} else if len(word) >= leastWord {
		near, found = suggest.Search(word, options, true)
	}
	if !found {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, near)
}
