package examine

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/buildx/util/buildflags"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/run"
)

// demands finds what builds cannot do without, and will not have.
func demands(ctx context.Context, jobs []*plan.Job, planned []run.PlannedJob) (found []check.Finding) {
	byName := map[string]*plan.Job{}
	for _, j := range jobs {
		byName[j.Name] = j
	}
	fetched := fetches{}
	for _, p := range planned {
		j := byName[p.Name]
		for _, d := range p.Demands {
			if d.Kind == graph.URL {
				fetched.add(d, j)
				continue
			}
			if f, is := ungiven(d, j); is {
				found = append(found, whose(f, d, j))
			}
		}
	}
	return append(found, fetched.missing(ctx)...)
}

// whose has a finding about a demand say whose that is, and where it stands: perhaps in the
// Dockerfile of what the job is built on.
func whose(f check.Finding, d graph.Demand, j *plan.Job) check.Finding {
	f.Jobs = []string{j.Name}
	if owners := ownersOf(d, j); d.Line > 0 && len(owners) > 0 {
		f.Places = []check.Place{{File: owners[0].Source.Name(), Line: d.Line}}
	}
	return f
}

// ownersOf are the job, and those that it is built on in the same build, in whose
// Dockerfile a demand stands.
func ownersOf(d graph.Demand, j *plan.Job) (owners []*plan.Job) {
	for _, one := range plan.WithLinked([]*plan.Job{j}) {
		if text := one.Source.Dockerfile(); text != nil && digest.FromBytes(text) == d.Dockerfile {
			owners = append(owners, one)
		}
	}
	return owners
}

// ungiven tells whether a job's build is not given what it demands. Each of those that it
// is built on is given its own secrets and keys; where it is not told whose step it is,
// those of all count.
func ungiven(d graph.Demand, j *plan.Job) (f check.Finding, is bool) {
	owners := ownersOf(d, j)
	if len(owners) == 0 {
		owners = append([]*plan.Job{j}, plan.WithLinked([]*plan.Job{j})...)
	}
	f = check.Finding{Severity: check.Fault, Kind: check.Secret}
	switch d.Kind {
	case graph.Secret:
		f.Text, f.Hint = owners[0].NoSecret(d.Name)
		return f, !slices.ContainsFunc(owners, func(one *plan.Job) bool { return hasSecret(one, d.Name) })
	case graph.SSH:
		f.Text, f.Hint = owners[0].NoKeys(d.Name)
		return f, !slices.ContainsFunc(owners, func(one *plan.Job) bool { return hasKeys(one, d.Name) })
	case graph.Entitlement:
		f.Kind = check.Build
		f.Text = fmt.Sprintf("a step may not be built without --allow %s", d.Name)
		f.Hint = "allow it only where you trust the Dockerfile; the builder must be set up to allow it, too"
		return f, !slices.Contains(builder.Allowed(j), d.Name)
	}
	return f, false
}

func hasSecret(j *plan.Job, id string) bool {
	return slices.ContainsFunc(j.Options.SecretSpecs, func(s *buildflags.Secret) bool { return s.ID == id })
}

func hasKeys(j *plan.Job, id string) bool {
	return slices.ContainsFunc(j.Options.SSHSpecs, func(s *buildflags.SSH) bool { return s.ID == id })
}
