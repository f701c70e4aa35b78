package node

import (
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/journal"
)

// samePull is within what time two builds that tell of a layer tell of the same pull: their times
// are known but for what a clock is corrected by.
const samePull = time.Second

// pulled are the layers that came from registries. The zero value is that of none.
type pulled struct {
	mu    sync.Mutex // guards what follows
	last  map[digest.Digest]time.Time
	bytes int64
}

// add counts a pull, and tells whether it was not counted before.
func (p *pulled) add(one builder.Pulled) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, is := p.last[one.Digest]; is && one.At.Sub(last) < samePull {
		return false
	}
	if p.last == nil {
		p.last = map[digest.Digest]time.Time{}
	}
	p.last[one.Digest] = one.At
	p.bytes += one.Bytes
	return true
}

// Pulled notes a layer that came to the node while a job's build or a pull ahead of it waited for
// it, of which each that waited may tell.
func (n *Node) Pulled(job string, one builder.Pulled) {
	if n.pulled.add(one) {
		n.Journal.Tell(journal.LayerPulled{Job: job, Node: n.Name(), Digest: one.Digest.String(), Bytes: one.Bytes})
	}
}

// pulledBytes is what was pulled, compressed, as far as the daemon has told; nil where it tells
// of none.
func (n *Node) pulledBytes() *int64 {
	if !n.Daemon.TellsPulled() {
		return nil
	}
	n.pulled.mu.Lock()
	defer n.pulled.mu.Unlock()
	return new(n.pulled.bytes)
}
