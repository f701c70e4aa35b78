// Package resume decides what of an earlier run still holds. What is on disk the
// ledger knows; a registry may have lost an image since.
package resume

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Registry is what is asked of the registries of pushed images.
type Registry interface {
	// Exists tells whether a tag is there, and its digest. An error means that its
	// registry did not say.
	Exists(ctx context.Context, tag string) (digest string, exists bool, err error)
	// AddTag has a tag stand for an image that is in its repository already.
	AddTag(ctx context.Context, digest, tag string) error
}

// How many images are looked up at once.
const lookups = 16

// StillThere returns the jobs but for those whose images were pushed, and are not in
// the registry so. A registry that does not say takes none away. An image that lacks
// tags gets them, where its repository has it.
func StillThere(ctx context.Context, r Registry, jobs []ledger.Kept, pushed map[string]bool) []ledger.Kept {
	holds := make([]bool, len(jobs))
	var group errgroup.Group
	group.SetLimit(lookups)
	for i := range jobs {
		if !pushed[jobs[i].Entry.Name] {
			holds[i] = true
			continue
		}
		group.Go(func() error {
			if holds[i] = hasAll(ctx, r, jobs[i].Entry); holds[i] {
				addTags(ctx, r, &jobs[i])
			}
			return nil
		})
	}
	_ = group.Wait()
	var kept []ledger.Kept
	for i, job := range jobs {
		if holds[i] {
			kept = append(kept, job)
		}
	}
	return kept
}

func hasAll(ctx context.Context, r Registry, e ledger.Entry) bool {
	for _, tag := range e.Tags {
		digest, exists, err := r.Exists(ctx, tag)
		if err == nil && (!exists || digest != e.Digest) {
			return false
		}
	}
	return true
}

// addTags gives an image the tags that it lacks. Those that it cannot be given
// are still missing then.
func addTags(ctx context.Context, r Registry, k *ledger.Kept) {
	for len(k.Missing) > 0 {
		tag := k.Missing[0]
		same := func(other string) bool { return imageref.SameRepository(tag, other) }
		if !slices.ContainsFunc(k.Entry.Tags, same) || r.AddTag(ctx, k.Entry.Digest, tag) != nil {
			return
		}
		k.Entry.Tags, k.Missing = append(k.Entry.Tags, tag), k.Missing[1:]
	}
}
