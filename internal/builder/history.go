package builder

import (
	"context"
	"sync"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
)

// history is the builds that this process made, as long as nodes may have them on
// record. BuildKit (v0.34) keeps a log and a trace of each build for two days (gc
// in its solver/llbsolver/history); of one with 30 steps they take 0.7 MB. They
// are in no record of the cache, and no prune frees them. It may be used by
// several goroutines.
type history struct {
	mu    sync.Mutex
	ended map[string][]string // builds that have ended, by the names of nodes
}

// end notes that a build has ended. On which of the nodes it was is not known.
func (h *history) end(ref string, nodes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended == nil {
		h.ended = map[string][]string{}
	}
	for _, node := range nodes {
		h.ended[node] = append(h.ended[node], ref)
	}
}

// take returns up to n builds that a node may have on record, each once.
func (h *history) take(node string, n int) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	refs := h.ended[node]
	if len(refs) == 0 {
		return nil
	}
	n = min(n, len(refs))
	h.ended[node] = refs[n:]
	return refs[:n:n]
}

// giveBack notes builds that a node was not asked to forget after all.
func (h *history) giveBack(node string, refs []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended[node] = append(h.ended[node], refs...)
}

const (
	// How many builds a node forgets at once. With each it also frees what no record
	// holds, which takes 25 ms and more.
	forgottenAtOnce = 20
	// How long that may take.
	forgetTimeout = time.Minute
)

// Forget has the node drop what it keeps of some of this process's builds that
// have ended, their logs and traces, and tells of how many.
func (n *Node) Forget(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, forgetTimeout)
	defer cancel()
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return 0
	}
	forgotten := 0
	refs := n.builder.history.take(n.name, forgottenAtOnce)
	for i, ref := range refs {
		if ctx.Err() != nil {
			n.builder.history.giveBack(n.name, refs[i:])
			break
		}
		// It fails where the build was on another node, or the daemon keeps none.
		_, err := c.ControlClient().UpdateBuildHistory(ctx, &controlapi.UpdateBuildHistoryRequest{Ref: ref, Delete: true})
		if err == nil {
			forgotten++
		}
	}
	return forgotten
}
