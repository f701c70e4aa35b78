package prune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/sweep"
)

// Pace says how a node is treated.
type Pace struct {
	Pause   time.Duration // how long one delete call may make builds wait
	Timeout time.Duration // for the removal from one node; what is left then stays
}

// Outcome is what came of a plan, by the places of its nodes. It is shorter than the
// plan where that was cut short, and empty where it was not executed.
type Outcome []Done

// Done is what came of the part of one node.
type Done struct {
	Node string
	sweep.Sweep
}

// Execute removes what the plan says from its nodes, and nothing else. What has got
// a child since, or is in use by now, BuildKit leaves.
func (p Plan) Execute(ctx context.Context, nodes []sweep.Node, pace Pace) (done Outcome) {
	for i, n := range p {
		if ctx.Err() != nil {
			return done
		}
		w := sweep.Remove(ctx, sweep.Options{
			Node: nodes[i], Pause: pace.Pause, Timeout: pace.Timeout, Busy: func() bool { return n.InUse },
		}, n.Records)
		if w.Err == nil && ctx.Err() != nil {
			w.Err = context.Cause(ctx)
		}
		done = append(done, Done{n.Node, w})
	}
	return done
}

// Of returns what came of the node at a place of the plan; nil where it was not come to.
func (o Outcome) Of(i int) *Done {
	if i >= len(o) {
		return nil
	}
	return &o[i]
}

// Err is why the removals failed, or that they went beyond the plan.
func (o Outcome) Err() (err error) {
	for _, d := range o {
		err = errors.Join(err, d.Problem())
	}
	return err
}

// Problem is why the removal failed, or that it went beyond the plan.
func (d Done) Problem() error {
	switch {
	case d.Err != nil:
		return fmt.Errorf("%s: %w", d.Node, d.Err)
	case d.Astray.Records > 0:
		return fmt.Errorf("%s: BuildKit removed %s (%s) that it was not asked for: report this as an error in stoker",
			d.Node, plural.Of(d.Astray.Records, "record"), bytesize.Text(d.Astray.Bytes))
	}
	return nil
}
