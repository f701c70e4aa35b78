package builder

import (
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/graph"
)

// finds are the steps that a build has found in the cache.
type finds struct {
	cached []*client.Vertex // of which it is yet to be told
	told   map[graph.ID]bool
}

// tellFound tells of the steps that were found in the cache since it was last called, each
// once. What they are is known with the graph.
func tellFound(p *progress) {
	var found []graph.ID
	p.mu.Lock()
	if p.places.Len() > 0 {
		for _, v := range p.finds.cached {
			if id, ok := p.placeOf(v); ok && !p.finds.told[id] {
				p.finds.told[id] = true
				found = append(found, id)
			}
		}
		p.finds.cached = nil
	}
	p.mu.Unlock()
	for _, id := range found {
		p.watch.Found(id)
	}
}
