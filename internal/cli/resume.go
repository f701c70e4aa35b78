package cli

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
)

// openLedger begins the record of a run, or goes on with the earlier one's.
func (o buildOptions) openLedger(ctx context.Context, p *plan.Plan, source *plan.Source, version string) (*ledger.Ledger, ledger.Resumed, error) {
	start := ledger.StartOptions{Now: time.Now(), Version: version, Plan: ledger.PlanID{Digest: o.dockerfileHash(source)}}
	for _, j := range p.Jobs {
		start.Plan.Jobs = append(start.Plan.Jobs, ledger.PlanJob{Name: j.Name, Base: j.Base, Tags: j.Tags})
	}
	switch {
	case o.run.resume:
		start.Mode = ledger.Resume
	case o.run.fresh:
		start.Mode = ledger.Fresh
	}
	if o.input.push {
		client, err := registry.New(o.builder.insecure)
		if err != nil {
			return nil, ledger.Resumed{}, err
		}
		start.Keep = func(entries []ledger.Entry) []ledger.Entry { return stillThere(ctx, client, entries) }
	}
	record, resumed, err := ledger.Start(o.run.outputDir, start)
	if err != nil && !errors.As(err, new(*ledger.BusyError)) && !errors.As(err, new(*ledger.UnfinishedError)) {
		err = &runError{err}
	}
	return record, resumed, err
}

// How many images are looked up at once.
const resumeLookups = 16

// stillThere returns the entries but for those whose images are not in the
// registry as they were pushed. A registry that does not say takes none away.
func stillThere(ctx context.Context, client *registry.Client, entries []ledger.Entry) []ledger.Entry {
	holds := make([]bool, len(entries))
	var group errgroup.Group
	group.SetLimit(resumeLookups)
	for i, e := range entries {
		group.Go(func() error {
			holds[i] = hasAll(ctx, client, e)
			return nil
		})
	}
	_ = group.Wait()
	var kept []ledger.Entry
	for i, e := range entries {
		if holds[i] {
			kept = append(kept, e)
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

func (o runOptions) checkResume() error {
	if o.resume && o.fresh {
		return &flagError{errors.New("--resume goes on with the earlier run and --fresh archives it: give one of them")}
	}
	return nil
}
