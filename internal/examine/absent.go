package examine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/util/suggest"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// absence is an image that cannot be read, and who would read it.
type absence struct {
	answer  builder.ImageAnswer
	finding check.Finding
}

// lacks notes that jobs read an image that cannot be read. It is told once it is known
// which names are near.
func (e *examination) lacks(ref string, a builder.ImageAnswer, f check.Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one := e.absent[ref]
	if one == nil {
		one = &absence{answer: a, finding: check.Finding{Severity: check.Fault, Kind: check.Image}}
		e.absent[ref] = one
	}
	one.finding.Jobs = append(one.finding.Jobs, f.Jobs...)
	one.finding.Places = append(one.finding.Places, f.Places...)
	for _, name := range f.Jobs {
		e.faulty[name] = true
	}
}

// tellAbsent tells of the images that cannot be read, with names that are near.
func (e *examination) tellAbsent(ctx context.Context) {
	refs := slices.Sorted(maps.Keys(e.absent))
	known := neighboursOf(ctx, e.Registry, refs)
	for _, ref := range refs {
		one := e.absent[ref]
		host := imageref.HostOf(ref)
		one.finding.Text = ref + " does not exist"
		if one.answer.Presence == builder.Denied {
			one.finding.Text = fmt.Sprintf("%s may not be read: %s", ref, visible.FirstLine(one.answer.Why))
			one.finding.Hint = fmt.Sprintf("check its name, and log in with \"docker login %s\"", host)
		}
		if near := nearby(ref, known[repositoryOf(ref)]); near != "" {
			one.finding.Text += near
		}
		e.add(one.finding)
	}
}

// neighbours are the names that a registry has near an image.
type neighbours struct {
	tags []string // of its repository
	// repositories are those of its registry, where the repository has no tags.
	repositories []string
	err          error // why these could not be listed
}

func repositoryOf(ref string) string {
	parsed, err := imageref.Parse(ref)
	if err != nil {
		return ""
	}
	return parsed.Repository()
}

// neighboursOf asks registries which names they have, once for each repository, and once for all
// repositories of each registry of which one is not there.
func neighboursOf(ctx context.Context, r Registry, refs []string) map[string]neighbours {
	ctx, cancel := within(ctx, namesPatience)
	defer cancel()
	var mu sync.Mutex
	known := map[string]neighbours{}
	ask := func(questions map[string]string, answer func(at, ref string)) {
		var group errgroup.Group
		group.SetLimit(askers)
		for at, ref := range questions {
			group.Go(func() error {
				answer(at, ref)
				return nil
			})
		}
		_ = group.Wait()
	}
	repositories := map[string]string{}
	for _, ref := range refs {
		repositories[repositoryOf(ref)] = ref
	}
	ask(repositories, func(at, ref string) {
		tags, err := r.Tags(ctx, ref)
		mu.Lock()
		defer mu.Unlock()
		known[at] = neighbours{tags: tags, err: err}
	})
	hosts := map[string]string{}
	for at, n := range known {
		if len(n.tags) == 0 {
			hosts[imageref.HostOf(at)] = at
		}
	}
	ask(hosts, func(host, ref string) {
		// A registry need not have such a list, and few have.
		paths, err := r.Repositories(ctx, ref)
		mu.Lock()
		defer mu.Unlock()
		for at, n := range known {
			if len(n.tags) == 0 && err == nil && imageref.HostOf(at) == host {
				n.repositories = paths
				known[at] = n
			}
		}
	})
	return known
}

// nearby ends a message about an image that is not there.
func nearby(ref string, n neighbours) string {
	parsed, err := imageref.Parse(ref)
	if err != nil {
		return ""
	}
	host := parsed.Host()
	switch {
	case len(n.tags) > 0 && parsed.Tag() != "":
		return nearTag(parsed, n.tags)
	case len(n.tags) > 0:
		return fmt.Sprintf("; %s is there, without this digest", parsed.Repository())
	case n.err != nil:
		return fmt.Sprintf("; which names are near is not known: %s", visible.FirstLine(n.err.Error()))
	case len(n.repositories) > 0:
		none := fmt.Sprintf("; %s has no repository %s", host, parsed.Path())
		return none + mistakes.DidYouMean(parsed.Path(), host+"/", n.repositories)
	}
	return fmt.Sprintf("; %s lists no tags of %s, nor repositories near it", host, parsed.Path())
}

// How many tags are named where none is a slip away.
const tagsNamed = 3

func nearTag(ref imageref.Ref, tags []string) string {
	if near, found := suggest.Search(ref.Tag(), tags, true); found {
		return fmt.Sprintf("; did you mean %s:%s?", ref.Repository(), near)
	}
	nearest := slices.Clone(tags)
	slices.SortStableFunc(nearest, func(a, b string) int {
		return cmp.Compare(common(ref.Tag(), b), common(ref.Tag(), a))
	})
	return fmt.Sprintf("; the tags of %s are %s", ref.Repository(), plural.Some(nearest, tagsNamed, ", "))
}

// common is how many bytes two texts begin with alike.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// absentOf reads which image a failure is about: its reference stands first, perhaps
// behind BuildKit's words for that.
func absentOf(message string) (ref string) {
	ref, _, _ = strings.Cut(strings.TrimPrefix(message, "failed to resolve source metadata for "), ": ")
	if parsed, err := imageref.Parse(ref); err == nil {
		return parsed.String()
	}
	return ""
}
