package report

import (
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// ownJob is a job of a run, and how it ended there.
type ownJob struct {
	ledger.PlanJob
	end *ledger.Entry // nil where it is not on record
}

// jobsOf are the jobs of a run: those of its plan, then what else is on record.
func jobsOf(r ledger.Record) (all []ownJob) {
	at := map[string]int{}
	for _, p := range r.Run.Plan.Jobs {
		at[p.Name] = len(all)
		all = append(all, ownJob{PlanJob: p})
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if k, planned := at[e.Name]; planned {
			all[k].end = e
		} else {
			all = append(all, ownJob{ledger.PlanJob{Name: e.Name, Base: e.BaseImage, Tags: e.Tags}, e})
		}
	}
	return all
}

// identity is that of a job: runs of several phases may have jobs of one name.
func identity(j ledger.PlanJob) string {
	parts := append([]string{j.Name}, slices.Sorted(slices.Values(j.Tags))...)
	if len(j.Tags) == 0 {
		parts = append(parts, j.Base)
	}
	return strings.Join(parts, "\x00")
}

// isUntold tells that a job failed before it was known what its image would be called.
func isUntold(j ledger.PlanJob) bool {
	return slices.ContainsFunc(j.Tags, func(tag string) bool { return strings.Contains(tag, plan.UnknownHash) })
}

// isSame tells whether jobs of two runs are the same.
func isSame(a, b ledger.PlanJob) bool {
	return a.Name == b.Name && (identity(a) == identity(b) || isUntold(a) || isUntold(b))
}
