package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/resume"
)

// openLedger begins the record of a run, or goes on with the earlier one's.
func (o buildOptions) openLedger(ctx context.Context, p *plan.Plan, planned []ledger.PlanJob, client *registry.Client, version, command string) (*ledger.Ledger, ledger.Resumed, error) {
	start := ledger.StartOptions{Now: time.Now(), Version: version, ResumeCommand: command, Plan: ledger.PlanID{Jobs: planned}}
	if part := p.Part; part != nil {
		start.Plan.Shard = &ledger.Shard{Number: part.Number, Of: part.Of, Jobs: part.Jobs, Input: part.Input}
	}
	switch {
	case o.run.resume:
		start.Mode = ledger.Resume
	case o.run.fresh:
		start.Mode = ledger.Fresh
	}
	if slices.ContainsFunc(p.Jobs, (*plan.Job).Pushes) {
		start.Keep = func(kept []ledger.Kept) []ledger.Kept { return resume.StillThere(ctx, client, kept, pushed(p)) }
	}
	record, resumed, err := ledger.Start(o.run.outputDir, start)
	refused := errors.As(err, new(*ledger.BusyError)) || errors.As(err, new(*ledger.UnfinishedError)) || errors.As(err, new(*ledger.PlaceError))
	if err != nil && !refused {
		err = &runError{err}
	}
	return record, resumed, err
}

// planned are the jobs of a plan as its record has them, with what they took in earlier runs.
func planned(p *plan.Plan, took ledger.LearnedJobs) (jobs []ledger.PlanJob) {
	for _, j := range p.Jobs {
		jobs = append(jobs, ledger.PlanJob{Name: j.Name, Base: j.Base, Tags: j.Tags, Digest: j.Hash, Kind: j.Kind, Seconds: took[j.Name]})
	}
	return jobs
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

// pushed returns the names of the jobs whose images are pushed.
func pushed(p *plan.Plan) map[string]bool {
	names := map[string]bool{}
	for _, j := range p.Jobs {
		names[j.Name] = j.Pushes()
	}
	return names
}

func (o runOptions) checkResume() error {
	if o.resume && o.fresh {
		return &flagError{errors.New("--resume goes on with the earlier run and --fresh archives it: give one of them")}
	}
	return nil
}
