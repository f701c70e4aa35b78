package run

import (
	"context"

	"github.com/stoker-build/stoker/internal/every"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
)

// linkSteps has steps of those jobs be linked that are to be built, and tells of them.
func (r *run) linkSteps(ctx context.Context, tasks []*task) {
	if r.Link == nil || r.Graphs == nil {
		return
	}
	var jobs []*plan.Job
	for _, t := range tasks {
		if t.isOpen() && len(t.images) == 0 {
			jobs = append(jobs, t.job)
		}
	}
	stop := every.Interval(surveyInterval, func() { r.Journal.Tell(journal.Surveying{Jobs: len(jobs)}) })
	r.links = r.Link(ctx, jobs)
	stop()
	linked := 0
	for _, s := range r.links {
		if s.Why == "" {
			linked += s.Jobs
		}
	}
	if linked > 0 && r.Ledger != nil {
		r.Journal.Tell(journal.Warning{Note: true, Message: "linked " + plural.Of(linked, "COPY or ADD step") + ", since that makes the same images; stoker plan tells which"})
	}
}
