package node

import (
	"context"
	"time"

	"github.com/stoker-build/stoker/internal/cache"
)

// keeper knows whose a node's records are: what was there before the run, and what
// builds of the run were seen to make.
type keeper struct {
	before    map[string]struct{} // ids of the records that were there when the run began
	memory    *cache.Memory
	close     func() error // ends the keeping of the memory; nil where it is not kept
	strangers *strangers
}

// keepTimeout bounds the last look at a node, which tells whose its records are.
const keepTimeout = 10 * time.Second

// openKeeper begins to keep what is known of the node's records, of which these are
// there before the first build.
func (n *Node) openKeeper(records []cache.Record) *keeper {
	k := &keeper{before: make(map[string]struct{}, len(records)), memory: cache.NewMemory(nil, nil, nil), strangers: newStrangers(n.Daemon)}
	for i := range records {
		k.before[records[i].ID] = struct{}{}
	}
	if n.Attributions == nil || n.Daemon.ID() == "" {
		return k
	}
	memory, closer, err := n.Attributions.Open(n.Daemon.ID())
	if err != nil {
		n.warn("", "what is learned of the records of %s will not be known to later runs: %s", n.Name(), err)
		return k
	}
	k.memory, k.close = memory, closer
	return k
}

// Made notes that a vertex was made, perhaps on this node: the moment will tell.
func (n *Node) Made(m cache.Making) {
	if n.keep != nil {
		n.keep.memory.Made(m)
	}
}

// closeKeeper has later runs know which vertices the records of this run are.
func (n *Node) closeKeeper(ctx context.Context) {
	if n.keep == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	if n.Answers(ctx) { // else a run that is left would wait for nothing
		_, err := n.Look(ctx) // what it finds out is remembered
		n.seenLast = err == nil
	}
	if n.keep.close == nil {
		return
	}
	if err := n.keep.close(); err != nil {
		n.warn("", "what was learned of the records of %s could not be kept: %s", n.Name(), err)
	}
}

// AskStrangers asks the daemon about images that are not of the plan and waits a while
// for its answer, which makes forecasts better.
func (n *Node) AskStrangers(ctx context.Context) {
	ctx, stop := n.whileHeard(ctx)
	defer stop()
	report, err := n.Look(ctx)
	if err != nil {
		return
	}
	select {
	case <-n.keep.strangers.ask(ctx, n.Needs.Strangers(report.Records)):
	case <-time.After(strangersPatience):
	case <-ctx.Done():
	}
}
