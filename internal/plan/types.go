package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/mistakes"
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
	return &InputError{What: t.String(), Problems: []string{fmt.Sprintf("%q is no type of %s%s", is, kind, mistakes.DidYouMean(is, "", known))},
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
		if meant := mistakes.DidYouMean(key, "", []string{"dest"}); meant != "" {
			return t.wrong(fmt.Sprintf("%q is not known%s", key, meant))
		}
	}
	return nil
}
