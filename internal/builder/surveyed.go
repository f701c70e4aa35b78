package builder

import (
	"context"
	"fmt"
	"slices"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/entitlements"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// How many remote contexts are fetched for the Dockerfiles in them.
const mostFetched = 8

// bySession returns jobs in groups, each of jobs that are allowed the same and are given
// the same keys. Of a list of rows all are; targets may differ.
func bySession(jobs []*plan.Job) (groups [][]*plan.Job) {
	places := map[string]int{}
	for _, job := range jobs {
		given := fmt.Sprintf("%q", slices.Sorted(slices.Values(Allowed(job))))
		for _, ssh := range job.Options.SSHSpecs {
			given += fmt.Sprintf(" %+v", *ssh)
		}
		i, known := places[given]
		if !known {
			i = len(groups)
			places[given], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], job)
	}
	return groups
}

// Allowed is what a job's build may do that is not allowed of itself: with the network of
// the host for all of its steps buildx allows that network (toSolveOpt in its build/opt.go).
func Allowed(job *plan.Job) []string {
	if job.Options.NetworkMode != "host" {
		return job.Options.Allow
	}
	return append(slices.Clip(job.Options.Allow), entitlements.EntitlementNetworkHost.String())
}

// withoutFetches returns the jobs without those for which a builder would have to
// fetch more than a few remote contexts, to find their Dockerfiles: hundreds of
// repositories could fill its disk before anything is built. It tells found of these.
func withoutFetches(jobs []*plan.Job, found answered) []*plan.Job {
	fetched := map[string]bool{}
	var out []*plan.Job
	for _, job := range jobs {
		if context := job.Options.Inputs.ContextPath; job.Source.Dockerfile() == nil && !fetched[context] {
			if len(fetched) == mostFetched {
				found(job, answer{}, fmt.Errorf("its Dockerfile is in a remote context; of these only %d are fetched beforehand", mostFetched))
				continue
			}
			fetched[context] = true
		}
		out = append(out, job)
	}
	return out
}

// read reads what a frontend says.
func (s *survey) read(ctx context.Context, q question, res *gateway.Result) (answer, error) {
	mode := q.opts["image-resolve-mode"]
	g, _, err := s.images.graph(ctx, s.Client, res, mode, s.around.of(q.job, itself))
	if err == nil && s.hashes != nil {
		g.Hash, err = s.hashes.of(q.job, res.Metadata, func(around graph.Surroundings) (graph.Graph, error) {
			g, _, err := s.images.graph(ctx, s.Client, res, mode, around)
			return g, err
		})
	}
	return answer{res, g}, err
}
