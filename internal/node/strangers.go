package node

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
)

const (
	// Of how many images that are not of the plan a node is asked at most. On a
	// builder that many use there may be thousands; the largest come first.
	mostStrangers = 64
	// How long a node may take to tell of those that are new.
	strangersTimeout = 30 * time.Second
	// How long a forecast waits for that: it only gets better.
	strangersPatience = 5 * time.Second
)

// strangers are the images that are not of the plan, and that layers of one node
// are named after: the plan's images may have the same layers. The node is asked
// about each once.
type strangers struct {
	daemon Daemon
	asking sync.WaitGroup

	mu    sync.Mutex
	asked map[cache.Name]bool
	known map[digest.Digest][]graph.ID // the layers, bottom first
}

func newStrangers(d Daemon) *strangers {
	return &strangers{daemon: d, asked: map[cache.Name]bool{}, known: map[digest.Digest][]graph.ID{}}
}

// explain is a cache.View's Explain.
func (s *strangers) explain(d digest.Digest) ([]graph.ID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	layers, ok := s.known[d]
	return layers, ok
}

// ask begins to ask of the names that are new. The returned channel is closed when
// the node has answered.
func (s *strangers) ask(ctx context.Context, names []cache.Name) <-chan struct{} {
	answered := make(chan struct{})
	refs := s.unasked(names)
	if len(refs) == 0 {
		close(answered)
		return answered
	}
	s.asking.Go(func() {
		defer close(answered)
		ctx, cancel := context.WithTimeout(ctx, strangersTimeout)
		defer cancel()
		// What the node does not tell stays unknown, as it was.
		_ = s.daemon.Layers(ctx, refs, func(ref string, layers graph.ImageLayers) {
			_, d, _ := strings.Cut(ref, "@")
			s.mu.Lock()
			defer s.mu.Unlock()
			s.known[digest.Digest(d)] = graph.LayerIDs(layers.Digests)
		})
	})
	return answered
}

// unasked notes that names are asked of, and returns those that were not before.
func (s *strangers) unasked(names []cache.Name) (refs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		if !s.asked[n] && len(s.asked) < mostStrangers {
			s.asked[n] = true
			refs = append(refs, n.String())
		}
	}
	return refs
}

// wait returns when nothing is asked any more.
func (s *strangers) wait() { s.asking.Wait() }
