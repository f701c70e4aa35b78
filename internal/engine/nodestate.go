package engine

import (
	"context"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// nodeState is what a run keeps of one node.
type nodeState struct {
	before    map[string]struct{} // ids of the records that were there when the run began
	memory    *cache.Memory
	close     func() error // ends the keeping of the memory; nil where it is not kept
	strangers *strangers
}

// keepTimeout bounds the last look at a node, which tells whose its records are.
const keepTimeout = 10 * time.Second

// openNode begins to keep what is known of a node's records, of which these are
// there before the first build.
func (r *run) openNode(n Node, records []cache.Record) *nodeState {
	s := &nodeState{before: make(map[string]struct{}, len(records)), memory: cache.NewMemory(nil, nil, nil), strangers: newStrangers(n)}
	for i := range records {
		s.before[records[i].ID] = struct{}{}
	}
	if r.Attributions != nil && n.ID() != "" {
		memory, closer, err := r.Attributions.Open(n.ID())
		if err != nil {
			r.warn("", "what is learned of the records of %s will not be known to later runs: %s", n.Name(), err)
		} else {
			s.memory, s.close = memory, closer
		}
	}
	r.nodes[n.Name()] = s
	return s
}

// made notes that a vertex was made, by a node's clock. Which node that was the
// build does not tell; the moment will.
func (r *run) made(m cache.Making) {
	for _, s := range r.nodes {
		s.memory.Made(m)
	}
}

// keepAttributions has later runs know which vertices this run's records are.
func (r *run) keepAttributions(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	for _, s := range r.sweepers {
		_, _ = s.Look(ctx) // what it finds out is remembered
	}
	for name, s := range r.nodes {
		if s.close == nil {
			continue
		}
		if err := s.close(); err != nil {
			r.warn("", "what was learned of the records of %s could not be kept: %s", name, err)
		}
	}
}
