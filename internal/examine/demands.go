package examine

import (
	"context"
	"fmt"
	"slices"

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

// whose has a finding about a demand say whose that is, and where it stands.
func whose(f check.Finding, d graph.Demand, j *plan.Job) check.Finding {
	f.Jobs = []string{j.Name}
	if d.Line > 0 {
		f.Places = []check.Place{{File: j.Source.Name(), Line: d.Line}}
	}
	return f
}

// ungiven tells whether a job's build is not given what it demands.
func ungiven(d graph.Demand, j *plan.Job) (f check.Finding, is bool) {
	f = check.Finding{Severity: check.Fault, Kind: check.Secret}
	switch d.Kind {
	case graph.Secret:
		f.Text = fmt.Sprintf("a step requires the secret %q, and no --secret has that id", d.Name)
		f.Hint = fmt.Sprintf("give it, such as with --secret id=%s,src=FILE", d.Name)
		return f, !hasSecret(j, d.Name)
	case graph.SSH:
		f.Text = fmt.Sprintf("a step requires SSH keys %q, and no --ssh has that id", d.Name)
		f.Hint = fmt.Sprintf("give them with --ssh %s", d.Name)
		return f, !hasKeys(j, d.Name)
	case graph.Entitlement:
		f.Kind = check.Build
		f.Text = fmt.Sprintf("a step may not be built without --allow %s", d.Name)
		f.Hint = "allow it only where you trust the Dockerfile; the builder must be set up to allow it, too"
		return f, !slices.Contains(builder.Allowed(j), d.Name)
	}
	return f, false
}

// What a job is built on is given its own secrets and keys: which of the steps are whose
// is not told, so that those of all count for each.

func hasSecret(j *plan.Job, id string) bool {
	for _, one := range plan.WithLinked([]*plan.Job{j}) {
		for _, s := range one.Options.SecretSpecs {
			if s.ID == id {
				return true
			}
		}
	}
	return false
}

func hasKeys(j *plan.Job, id string) bool {
	for _, one := range plan.WithLinked([]*plan.Job{j}) {
		for _, s := range one.Options.SSHSpecs {
			if s.ID == id {
				return true
			}
		}
	}
	return false
}
