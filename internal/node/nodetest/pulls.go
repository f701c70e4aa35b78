package nodetest

import (
	"context"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/graph"
)

// Pull implements node.Daemon. Several pulls and builds of a layer make it once.
func (d *Daemon) Pull(ctx context.Context, images []graph.Image, _ func(builder.Pulled)) error {
	if d.Builder == nil {
		return builder.ErrNoPull
	}
	if err := d.called(ctx, Pulling); err != nil {
		return err
	}
	d.mu.Lock()
	d.aheads++
	d.mu.Unlock()
	if d.FailPulls != nil {
		if err := d.FailPulls(); err != nil {
			return err
		}
	}
	for _, image := range images {
		if err := d.pull(ctx, image); err != nil {
			return err
		}
	}
	return nil
}

// TellsPulled implements node.Daemon.
func (d *Daemon) TellsPulled() bool { return true }

func (d *Daemon) pull(ctx context.Context, image graph.Image) error {
	ids := map[graph.ID]string{}
	for _, layer := range image.Layers {
		ids[layer] = d.Builder.recordOf(d, layer)
	}
	d.hold(ids, +1)
	defer d.hold(ids, -1)
	for i, layer := range image.Layers {
		v := graph.Vertex{ID: layer, Kind: graph.Layer, Inputs: image.Layers[max(i-1, 0):i]}
		if err := d.make(ctx, v, ids, image, d.Builder.size(v), d.Builder.Takes, builder.Watch{}); err != nil {
			return err
		}
	}
	return nil
}

// Aheads counts the pulls ahead of builds.
func (d *Daemon) Aheads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.aheads
}
