package run

import (
	"context"
	"sync"

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
	var pulled basesOnce
	a.told.graph = func(g graph.Graph) {
		if g.Linked == nil {
			pulled.are(g.Bases())
		}
		told.graph(g)
	}
	a.told.exporting = func() {
		for _, base := range pulled.take() {
			mounts.Go(func() { m.mount(ctx, a.job.Tags, base.Ref, base.Platform) })
		}
		told.exporting()
	}
	return m.next.attempt(ctx, a)
}

// basesOnce are base images that are taken once. It may be used by several goroutines: a build
// and its progress.
type basesOnce struct {
	mu  sync.Mutex // guards all
	all []graph.Image
}

func (b *basesOnce) are(all []graph.Image) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = all
}

func (b *basesOnce) take() []graph.Image {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.all
	b.all = nil
	return all
}
