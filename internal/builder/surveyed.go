package builder

import (
	"fmt"
	"slices"

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
		given := fmt.Sprintf("%q", slices.Sorted(slices.Values(job.Options.Allow)))
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

// withoutFetches returns the jobs without those for which a builder would have to
// fetch more than a few remote contexts, to find their Dockerfiles: hundreds of
// repositories could fill its disk before anything is built. It tells found of these.
func withoutFetches(jobs []*plan.Job, found func(*plan.Job, graph.Graph, error)) []*plan.Job {
	fetched := map[string]bool{}
	var out []*plan.Job
	for _, job := range jobs {
		if context := job.Options.Inputs.ContextPath; job.Source.Dockerfile() == nil && !fetched[context] {
			if len(fetched) == mostFetched {
				found(job, graph.Graph{}, fmt.Errorf("its Dockerfile is in a remote context; of these only %d are fetched beforehand", mostFetched))
				continue
			}
			fetched[context] = true
		}
		out = append(out, job)
	}
	return out
}
