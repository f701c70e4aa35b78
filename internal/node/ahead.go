package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/space"
	"github.com/stoker-build/stoker/internal/visible"
)

// Layers are pulled ahead of the jobs that need them while others build. That is never in
// anybody's way: a job that would have to wait for the room ends it, and what was pulled goes
// before anything else that is needed. It serves nothing but time: where it fails, the job pulls.

const (
	// How long one pull may take, of all images of a job.
	pullTimeout = 20 * time.Minute
	// How long a job waits for a pull to end that it has ended.
	giveWayPatience = 10 * time.Second
)

// Next is a job that waits for a worker of the node, and the images that its build would
// pull.
type Next struct {
	Number int
	Name   string
	Images []graph.Image
}

// pulls are the pulls that are under way. The zero value is that of none.
type pulls struct {
	mu     sync.Mutex // guards what follows
	flying []*pull
	over   bool // none begins any more
}

// pull is one of them: the images of one job.
type pull struct {
	job    Next
	layers []int32
	cancel context.CancelCauseFunc
	done   chan struct{}
}

var errGaveWay = errors.New("it gave way")

// add notes that a pull begins, unless none may.
func (p *pulls) add(one *pull) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false
	}
	p.flying = append(p.flying, one)
	return true
}

func (p *pulls) remove(one *pull) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying = slices.DeleteFunc(p.flying, func(o *pull) bool { return o == one })
	close(one.done)
}

// cancel ends those that are chosen, and returns them.
func (p *pulls) cancel(chosen func(*pull) bool) (ended []*pull) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.flying {
		if chosen(one) {
			one.cancel(errGaveWay)
			ended = append(ended, one)
		}
	}
	return ended
}

// end ends all.
func (p *pulls) end() { p.cancel(func(*pull) bool { return true }) }

// stop ends all for the rest of the run.
func (p *pulls) stop() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.end()
}

// EndPulls ends what is pulled ahead of some jobs that are not built here, or, without any,
// of all. It returns at once.
func (n *Node) EndPulls(jobs ...int) {
	n.pulls.cancel(func(p *pull) bool { return len(jobs) == 0 || slices.Contains(jobs, p.job.Number) })
}

// PullAhead pulls the images of the first job in line that lacks any, if there is room for
// it and for all before it. Begun is called when it begins. It tells whether it has pulled
// any; that it gave way is no error.
func (n *Node) PullAhead(ctx context.Context, next []Next, begun func()) (pulled bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, images := n.choosePull(ctx, next, cancel)
	if p == nil {
		return false, nil
	}
	begun()
	n.Journal.Tell(journal.PullStarted{Job: p.job.Name, Node: n.Name(), Images: refsOf(images)})
	start := time.Now()
	err = n.pull(ctx, p.job.Name, images)
	n.space.endPull(p.layers, err == nil)
	n.pulls.remove(p)
	e := journal.PullFinished{Job: p.job.Name, Node: n.Name(), Images: refsOf(images), Duration: journal.Seconds(time.Since(start)), Pulled: err == nil}
	gaveWay := errors.Is(context.Cause(ctx), errGaveWay)
	if err != nil && !gaveWay {
		e.Error = visible.FirstLine(err.Error())
	}
	n.Journal.Tell(e)
	if gaveWay || ctx.Err() != nil {
		return false, nil
	}
	return err == nil, err
}

// choosePull chooses what is pulled next, and notes that it is; nil for nothing.
func (n *Node) choosePull(ctx context.Context, next []Next, cancel context.CancelCauseFunc) (*pull, []graph.Image) {
	l := line{n.space, n.Needs.Needs, next}
	if n.attempts.isHeld() || !l.lacksAny() {
		return nil, nil
	}
	fits, known := n.space.fitting(ctx)
	if !known {
		return nil, nil
	}
	p := &pull{cancel: cancel, done: make(chan struct{})}
	images := l.begin(fits, p)
	if len(images) == 0 {
		return nil, nil
	}
	if !n.pulls.add(p) || n.attempts.isHeld() {
		n.space.endPull(p.layers, false)
		n.pulls.remove(p)
		return nil, nil
	}
	return p, images
}

// pull pulls images, in bounded time. That is put on record as what a build pulls is.
func (n *Node) pull(ctx context.Context, job string, images []graph.Image) error {
	ctx, done := context.WithTimeoutCause(ctx, pullTimeout, fmt.Errorf("the layers were not there within %s", pullTimeout))
	defer done()
	began := time.Now()
	for _, image := range images {
		n.Made(cache.Making{Vertex: topOf(image), Began: began})
	}
	err := n.Daemon.Pull(ctx, images, func(one builder.Pulled) { n.Pulled(job, one) })
	for _, image := range images {
		n.Made(cache.Making{Vertex: topOf(image), Began: began, Done: time.Now()})
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func topOf(image graph.Image) graph.ID { return image.Layers[len(image.Layers)-1] }

func refsOf(images []graph.Image) (refs []string) {
	for _, image := range images {
		refs = append(refs, image.Ref)
	}
	return refs
}

// giveWay ends what is pulled ahead of other jobs than one that has no space, and tells
// whether there was any.
func (n *Node) giveWay(ctx context.Context, job int) bool {
	ended := n.pulls.cancel(func(p *pull) bool { return p.job.Number != job })
	patience, cancel := context.WithTimeout(ctx, giveWayPatience)
	defer cancel()
	for _, p := range ended {
		select {
		case <-p.done:
		case <-patience.Done():
			return false
		}
	}
	return len(ended) > 0
}

// dropAhead removes layers that were pulled ahead of jobs that have not begun, as much as
// is asked for.
func (n *Node) dropAhead(ctx context.Context, bytes int64) int64 {
	if !n.space.hasAhead() {
		return 0
	}
	freed := n.evict(ctx, bytes, func(w cache.Wanting) bool { return w.IsAll(n.space.isAhead) })
	if freed.Bytes > 0 {
		_, _ = n.Look(ctx) // they are not there any more
	}
	return freed.Bytes
}

// line is a line of jobs before the book of a node.
type line struct {
	*room
	needs *cache.Needs
	next  []Next
}

// in is the line as the book has it. The caller holds mu.
func (l line) in(g *graph.Shared) []space.Waiting {
	waiting := make([]space.Waiting, len(l.next))
	for i, next := range l.next {
		waiting[i].Job = l.jobs[next.Number]
		for _, image := range next.Images {
			waiting[i].Images = append(waiting[i].Images, imageIn(g, next.Number, image))
		}
	}
	return waiting
}

// imageIn finds an image of a job in the graph; one without layers where it is not there.
func imageIn(g *graph.Shared, job int, image graph.Image) (found space.Image) {
	for _, layer := range image.Layers {
		v, known := g.Find(layer)
		if !known {
			return space.Image{}
		}
		found.Layers = append(found.Layers, v)
	}
	if len(found.Layers) == 0 {
		return found
	}
	top := found.Layers[len(found.Layers)-1]
	for _, v := range g.Path(job) {
		if g.Kind(v) == graph.Step && slices.Contains(g.Inputs(v), top) {
			found.Steps = append(found.Steps, v)
		}
	}
	return found
}

// lacksAny tells whether anything is to be pulled for it, were there room.
func (l line) lacksAny() (lacks bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.needs.Read(func(g *graph.Shared) {
		_, images := l.book.Ahead(l.in(g), func(int64) bool { return true })
		lacks = len(images) > 0
	})
	return lacks
}

// fitting returns whether bytes can be added within all bounds as they are used now. It is
// not known where one cannot be read.
func (a *room) fitting(ctx context.Context) (fits func(bytes int64) bool, known bool) {
	gauges, freed := a.all(), a.freed()
	used := make([]int64, len(gauges))
	for i, g := range gauges {
		var err error
		if used[i], err = g.used(ctx); err != nil {
			return nil, false
		}
	}
	return func(bytes int64) bool {
		for i, g := range gauges {
			if !g.limit.Fits(used[i], bytes, a.book.Freed()-freed) {
				return false
			}
		}
		return true
	}, true
}

// begin chooses what is pulled next for it, and notes that it is.
func (l line) begin(fits func(int64) bool, p *pull) (chosen []graph.Image) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.needs.Read(func(g *graph.Shared) {
		place, images := l.book.Ahead(l.in(g), fits)
		if len(images) == 0 {
			return
		}
		p.job = l.next[place]
		for _, image := range images {
			p.layers = append(p.layers, image.Layers...)
			top := g.ID(image.Layers[len(image.Layers)-1])
			at := slices.IndexFunc(p.job.Images, func(i graph.Image) bool { return len(i.Layers) > 0 && topOf(i) == top })
			chosen = append(chosen, p.job.Images[at])
		}
	})
	l.book.PullBegins(p.layers)
	return chosen
}

func (a *room) endPull(layers []int32, there bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.PullEnds(layers, there)
}

func (a *room) isAhead(v int32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.book.PulledAhead(v)
}

func (a *room) hasAhead() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.book.HasAhead()
}

// CannotPull tells whether an error says that a daemon does not pull ahead at all.
func CannotPull(err error) bool { return errors.Is(err, builder.ErrNoPull) }
