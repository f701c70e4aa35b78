package registry

import (
	"context"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/stoker-build/stoker/internal/assemble"
)

// copyOnce puts a layer of another registry into a repository by copying it. Of those who want the
// same layer in the same registry one copies at a time, and who comes after it has the layer
// mounted from there: where workers begin together, a base image would be moved once by each.
func (p *push) copyOnce(ctx context.Context, to name.Repository, l assemble.Layer, copying func() error) error {
	if p.client.isMountless(to) {
		return copying()
	}
	key := mounted{to.RegistryStr(), l.Descriptor.Digest}
	before, _ := p.client.holders.Load(key) // cannot be mounted from, as was just seen
	end, err := p.turn(ctx, key)
	if err != nil {
		return err
	}
	if now, is := p.client.holders.Load(key); is && now != before {
		end()
		if p.mountFrom(ctx, to, l, now.(name.Repository)) {
			p.alive()
			return nil
		}
		return copying()
	}
	defer end()
	if err = copying(); err == nil {
		p.client.holders.Store(key, to)
	}
	return err
}

// turn waits until nobody else copies a layer to a registry, until end is called. Whoever waits is
// no less alive than who copies.
func (p *push) turn(ctx context.Context, layer mounted) (end func(), err error) {
	taken, _ := p.client.copies.LoadOrStore(layer, make(chan struct{}, 1))
	turn := taken.(chan struct{})
	looks := time.NewTicker(p.client.patience)
	defer looks.Stop()
	for {
		select {
		case turn <- struct{}{}:
			return func() { <-turn }, nil
		case <-looks.C:
			p.alive()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// mountFrom has a layer mounted from another repository of the registry, and tells whether it is.
func (p *push) mountFrom(ctx context.Context, to name.Repository, l assemble.Layer, holder name.Repository) bool {
	target, err := p.client.targetOf(ctx, to, map[name.Repository]bool{holder: true})
	return err == nil && p.client.mountLayer(ctx, target, l.Descriptor.Digest, holder)
}
