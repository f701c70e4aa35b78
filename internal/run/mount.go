package run

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/stoker-build/stoker/internal/graph"
)

// mounting has registries mount a base image's layers where an image is pushed to, as its build
// begins to export it. BuildKit only has those mounted that it has not pulled (its
// cache/remote.go keeps from where layers come for these alone), and uploads the others,
// each worker for itself.
type mounting struct {
	next  attempter
	mount func(ctx context.Context, tags []string, base, platform string) // nil for not at all
}

func (m mounting) attempt(ctx context.Context, a *attempt) error {
	if m.mount == nil || !a.job.Pushes() {
		return m.next.attempt(ctx, a)
	}
	ctx, stop := context.WithCancel(ctx)
	var mounts sync.WaitGroup
	defer mounts.Wait()
	defer stop()
	told := a.told
	defer func() { a.told = told }()
	var pulled atomic.Pointer[[]graph.Image] // until they are mounted; a build and its progress are two goroutines
	a.told.graph = func(g graph.Graph) {
		if g.Linked == nil {
			pulled.Store(new(g.Bases()))
		}
		told.graph(g)
	}
	a.told.exporting = func() {
		if bases := pulled.Swap(nil); bases != nil {
			for _, base := range *bases {
				mounts.Go(func() { m.mount(ctx, a.job.Tags, base.Ref, base.Platform) })
			}
		}
		told.exporting()
	}
	return m.next.attempt(ctx, a)
}
