package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
)

// openLedger begins the record of a run, or goes on with the earlier one's.
func (o buildOptions) openLedger(ctx context.Context, p *plan.Plan, version, command string) (*ledger.Ledger, ledger.Resumed, error) {
	start := ledger.StartOptions{Now: time.Now(), Version: version, ResumeCommand: command}
	for _, j := range p.Jobs {
		start.Plan.Jobs = append(start.Plan.Jobs, ledger.PlanJob{Name: j.Name, Base: j.Base, Tags: j.Tags, Digest: j.Hash})
	}
	switch {
	case o.run.resume:
		start.Mode = ledger.Resume
	case o.run.fresh:
		start.Mode = ledger.Fresh
	}
	if slices.ContainsFunc(p.Jobs, (*plan.Job).Pushes) {
		client, err := registry.New(o.builder.insecure)
		if err != nil {
			return nil, ledger.Resumed{}, err
		}
		start.Keep = func(kept []ledger.Kept) []ledger.Kept { return stillThere(ctx, client, kept, pushed(p)) }
	}
	record, resumed, err := ledger.Start(o.run.outputDir, start)
	refused := errors.As(err, new(*ledger.BusyError)) || errors.As(err, new(*ledger.UnfinishedError)) || errors.As(err, new(*ledger.PlaceError))
	if err != nil && !refused {
		err = &runError{err}
	}
	return record, resumed, err
}

// again returns the jobs that are not done because their tags exist: those that have
// failed may have failed after the push, and of those that were cut short the post-build
// command has not ended well.
func (o buildOptions) again(r ledger.Resumed) []string {
	if o.run.postBuild == "" {
		return r.Failed
	}
	return slices.Concat(r.Failed, r.CutShort)
}

// How many images are looked up at once.
const resumeLookups = 16

// pushed returns the names of the jobs whose images are pushed.
func pushed(p *plan.Plan) map[string]bool {
	names := map[string]bool{}
	for _, j := range p.Jobs {
		names[j.Name] = j.Pushes()
	}
	return names
}

// stillThere returns the jobs but for those whose images were pushed, and are not in
// the registry so. A registry that does not say takes none away. An image that lacks
// tags gets them, where its repository has it.
func stillThere(ctx context.Context, client *registry.Client, jobs []ledger.Kept, pushed map[string]bool) []ledger.Kept {
	holds := make([]bool, len(jobs))
	var group errgroup.Group
	group.SetLimit(resumeLookups)
	for i := range jobs {
		if !pushed[jobs[i].Entry.Name] {
			holds[i] = true
			continue
		}
		group.Go(func() error {
			holds[i] = hasAll(ctx, client, jobs[i].Entry)
			if holds[i] {
				addTags(ctx, client, &jobs[i])
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

func hasAll(ctx context.Context, client *registry.Client, e ledger.Entry) bool {
	for _, tag := range e.Tags {
		digest, exists, err := client.Exists(ctx, tag)
		if err == nil && (!exists || digest != e.Digest) {
			return false
		}
	}
	return true
}

// addTags gives an image the tags that it lacks. Those that it cannot be given
// are still missing then.
func addTags(ctx context.Context, client *registry.Client, k *ledger.Kept) {
	for len(k.Missing) > 0 {
		tag := k.Missing[0]
		same := func(other string) bool { return client.SameRepository(tag, other) }
		if !slices.ContainsFunc(k.Entry.Tags, same) || client.AddTag(ctx, k.Entry.Digest, tag) != nil {
			return
		}
		k.Entry.Tags, k.Missing = append(k.Entry.Tags, tag), k.Missing[1:]
	}
}

func (o runOptions) checkResume() error {
	if o.resume && o.fresh {
		return &flagError{errors.New("--resume goes on with the earlier run and --fresh archives it: give one of them")}
	}
	return nil
}
