package advice

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plural"
)

const (
	// Two layers look alike whose sizes differ by no more than this part: the same command,
	// run twice, leaves other times and hardly another size.
	alikeWithin = 0.005
	// The least size, in bytes, with which that is no accident.
	leastAlike = 1 << 20
	// What is to be spared at least, in bytes and as a part of all, for a word.
	worthSharing, worthSharingPart = 50 << 20, 0.1
)

// nearlyShared finds base images that look as if they were made alike, each anew: their layers
// have about the same sizes, from the bottom, and other contents. Each is pulled and kept for itself.
func (g Given) nearlyShared() []Advice {
	a, all, seen := alike{seen: map[string]bool{}}, int64(0), map[graph.ID]bool{}
	for _, b := range g.Bases {
		for _, l := range b.Layers {
			if !seen[l.ID] {
				seen[l.ID], all = true, all+l.Size
			}
		}
	}
	a.split(g.Bases, 0)
	if a.twice < worthSharing || float64(a.twice) < worthSharingPart*float64(all) {
		return nil
	}
	slices.Sort(a.jobs)
	return []Advice{{Rule: NearlySharedBases, Jobs: slices.Compact(a.jobs), Price: Price{Bytes: &a.twice, AtMost: true},
		Text: fmt.Sprintf("%s have layers of about the same size and other contents, such as %s and %s in layer %d of %d (%s): each is pulled and kept for itself",
			plural.Of(a.images, "base image"), called(a.first.Ref), called(a.second.Ref), a.at+1, len(a.first.Layers), bytesize.Text(a.first.Layers[a.at].Size)),
		Remedy: "if the same steps have made them, each time anew: build them on one image that has what they share, by its digest, or all in one bake file with a target for it"}}
}

// called is a base image as people know it: by its tag, where it has one, and else by the
// beginning of its digest.
func called(ref string) string {
	name, digest, pinned := strings.Cut(ref, "@")
	if !pinned || strings.Contains(path.Base(name), ":") {
		return name
	}
	return name + "@" + imageref.ShortDigest(digest)
}

// alike collects what layers take that look like others.
type alike struct {
	seen   map[string]bool // images, by their references
	twice  int64           // bytes
	images int
	jobs   []string
	// The example of most bytes: two images and the layer in which they part.
	first, second graph.Base
	at            int
}

// split goes up from a layer, among images that look alike below it.
func (a *alike) split(images []graph.Base, at int) {
	images = slices.DeleteFunc(slices.Clone(images), func(b graph.Base) bool { return len(b.Layers) <= at || b.Layers[at].Size == 0 })
	slices.SortFunc(images, func(x, y graph.Base) int {
		return cmp.Or(cmp.Compare(x.Layers[at].Size, y.Layers[at].Size), bytes.Compare(x.Layers[at].Content[:], y.Layers[at].Content[:]))
	})
	for len(images) > 0 {
		least := images[0].Layers[at].Size
		n := 1
		for n < len(images) && float64(images[n].Layers[at].Size) <= float64(least)*(1+alikeWithin) {
			n++
		}
		if n > 1 {
			a.take(images[:n], at)
			a.split(images[:n], at+1)
		}
		images = images[n:]
	}
}

// take counts what images that look alike have twice in a layer.
func (a *alike) take(images []graph.Base, at int) {
	size := images[0].Layers[at].Size
	var others []graph.Base // one for each content
	for _, b := range images {
		if len(others) == 0 || others[len(others)-1].Layers[at].Content != b.Layers[at].Content {
			others = append(others, b)
		}
	}
	if len(others) < 2 || size < leastAlike {
		return
	}
	a.twice += size * int64(len(others)-1)
	for _, b := range images {
		if !a.seen[b.Ref] {
			a.seen[b.Ref] = true
			a.images++
			a.jobs = append(a.jobs, b.Jobs...)
		}
	}
	if a.first.Ref == "" || size > a.first.Layers[a.at].Size {
		a.first, a.second, a.at = others[0], others[1], at
		if a.first.Ref > a.second.Ref {
			a.first, a.second = a.second, a.first
		}
	}
}
