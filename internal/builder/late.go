package builder

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	buildxbuilder "github.com/docker/buildx/builder"
)

// Late is a node that did not answer when its builder was connected to.
type Late struct {
	node    buildxbuilder.Node
	why     string
	builder *Builder
}

// Late are the nodes that did not answer. Each can come later.
func (b *Builder) Late() []*Late {
	late := slices.Clone(b.late)
	for _, l := range late {
		l.builder = b
	}
	return late
}

// Name is the node's.
func (l *Late) Name() string { return l.node.Name }

// Why is why it did not answer.
func (l *Late) Why() string { return l.why }

// Await returns the node once it answers, from when on it is one of the builder's. The
// error is the cause of ctx's end, or says why it cannot be one of them.
func (l *Late) Await(ctx context.Context) (*Node, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = time.Second, 10*time.Second
	n, err := backoff.Retry(ctx, func() (*Node, error) { return l.reach(ctx) }, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return n, err
}

func (l *Late) reach(ctx context.Context) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	w, err := bootNode(ctx, l.node)
	if err != nil {
		return nil, err
	}
	root := l.builder.rootOf(ctx, l.node)
	if err := l.join(w, root); err != nil {
		return nil, backoff.Permanent(err)
	}
	return newNode(l.builder, l.node, w, root), nil
}

// join makes the node one of the builder's.
func (l *Late) join(w worker, root string) error {
	b := l.builder
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pushed != nil {
		return errDockersOwn
	}
	if err := b.mayJoin(l.node.Name, w.id); err != nil {
		return err
	}
	b.nodes, b.workers, b.roots = append(b.nodes, l.node), append(b.workers, w), append(b.roots, root)
	return nil
}
