package run

import (
	"context"
	"slices"
	"sync"

	"github.com/stoker-build/stoker/internal/node"
)

// openNodes begins to keep what is true of each node. One that does not list its cache is
// waited for beside the others, and comes late.
func (r *run) openNodes(ctx context.Context) {
	if r.nodes() > 1 {
		r.needs.Spread(r.nodes())
	}
	opened := make(chan *opening, len(r.Nodes))
	var all []*opening
	for number, d := range r.Nodes {
		all = append(all, r.open(ctx, number, d, opened))
	}
	for _, o := range all {
		select {
		case <-o.lost:
		case <-o.done:
		}
	}
	first := <-opened
	for _, o := range all {
		if o == first || o.isDone() {
			r.scheduler.places = append(r.scheduler.places, o.place)
		} else {
			r.opening = append(r.opening, o)
		}
	}
}

// opening is a node that is being opened.
type opening struct {
	cancel context.CancelFunc
	lost   chan struct{} // closed when it does not list its cache, and is waited for
	done   chan struct{} // closed when place is set
	place  *place
}

func (r *run) open(ctx context.Context, number int, d Node, opened chan<- *opening) *opening {
	ctx, cancel := context.WithCancel(ctx)
	o := &opening{cancel: cancel, lost: make(chan struct{}), done: make(chan struct{})}
	lost := sync.OnceFunc(func() { close(o.lost) })
	go func() {
		o.place = r.openNode(ctx, number, d, lost)
		opened <- o
		close(o.done)
	}()
	return o
}

func (o *opening) isDone() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// end ends it, and returns its place.
func (o *opening) end() *place {
	o.cancel()
	<-o.done
	return o.place
}

// openNode begins to keep what is true of one.
func (r *run) openNode(ctx context.Context, number int, d Node, lost func()) *place {
	turns := r.Recovery
	if turns != nil && r.nodes() > 1 {
		turns = turns.Of(d.Name()) // one that is lost keeps nobody from mending another
	}
	p := &place{number: number, platforms: d.Platforms(), pool: pool{size: r.Workers}}
	p.node = node.Open(ctx, node.Options{Daemon: d, Number: number, Needs: r.needs, Imports: r.Plan.Imports(), Prune: r.Prune,
		Space: r.Space, DiskOf: r.DiskOf, Recovery: turns, Attributions: r.Attributions, Journal: r.Journal, Lost: lost,
		Freed: func() {
			p.freed.Store(true)
			p.ahead.due.Store(true)
			r.scheduler.wake()
		}})
	return p
}

// closeNodes has all nodes swept a last time, side by side.
func (r *run) closeNodes(ctx context.Context) {
	var closing sync.WaitGroup
	places := slices.Clone(r.scheduler.places)
	for _, o := range r.opening {
		places = append(places, o.end())
	}
	for _, p := range places {
		closing.Go(func() {
			last, cancel := context.WithCancel(ctx)
			defer cancel()
			if p.lost {
				cancel() // it is not there to be swept
			}
			p.node.Close(last)
		})
	}
	closing.Wait()
}
