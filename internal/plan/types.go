package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/suggest"
)

// The types that outputs can have: those of buildx, and what they become for the
// builder in docker itself.
var outputTypes = []string{client.ExporterImage, "registry", client.ExporterOCI, client.ExporterDocker,
	client.ExporterTar, client.ExporterLocal, "cacheonly", "moby"}

// The types that caches can have (BuildKit's cache/remotecache).
var cacheTypes = []string{"registry", "inline", "local", "gha", "s3", "azblob"}

// checkType finds a type that no builder knows: each job would fail of it, and be
// tried again.
func (t *templated) checkType(kind, is string, known []string) error {
	if slices.Contains(known, is) {
		return nil
	}
	return &InputError{What: t.String(), Problems: []string{fmt.Sprintf("%q is no type of %s%s", is, kind, didYouMean(is, "", known))},
		Hint: fmt.Sprintf("types of %s: %s", kind, strings.Join(known, ", "))}
}

// checkDestination finds a key that was to be dest, where an output to files has none.
// Keys are else for the builder to know.
func (t *templated) checkDestination(e *buildflags.ExportEntry) error {
	toFiles := []string{client.ExporterLocal, client.ExporterTar, client.ExporterOCI, client.ExporterDocker}
	if e.Destination != "" || !slices.Contains(toFiles, e.Type) {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(e.Attrs)) {
		if meant := didYouMean(key, "", []string{"dest"}); meant != "" {
			return t.wrong(fmt.Sprintf("%q is not known%s", key, meant))
		}
	}
	return nil
}

// Shorter words are near to too many others.
const leastWord = 3

// didYouMean ends a message about a word with the option that it is a slip of, behind
// a prefix; empty where none is near.
func didYouMean(word, prefix string, options []string) string {
	if len(word) < leastWord {
		return ""
	}
	near, found := suggest.Search(word, options, true)
	if i := slices.IndexFunc(options, func(o string) bool { return strings.EqualFold(word, o) }); i >= 0 {
		near, found = options[i], true
	}
	if !found {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, near)
}
