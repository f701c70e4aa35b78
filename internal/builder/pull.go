package builder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/graph"
)

// ErrNoPull says that a daemon pulls nothing ahead of builds.
var ErrNoPull = errors.New("it pulls with its builds only")

// Pulled is a layer that a daemon has pulled.
type Pulled struct {
	Digest digest.Digest
	Bytes  int64     // compressed, as it came
	At     time.Time // when all of it was there, by the clock that records' times are by
}

// pulledOf reads of a layer what its status tells once all of it is there: of one that was there
// before, too, which its time shows (trackProgress in BuildKit's util/pull/pullprogress).
func pulledOf(s *client.VertexStatus) (one Pulled, is bool) {
	d, err := digest.Parse(s.ID)
	if err != nil || s.Completed == nil {
		return Pulled{}, false
	}
	return Pulled{d, s.Current, *s.Completed}, true
}

// TellsPulled tells whether the node's daemon tells which layers it pulls. Docker's own builder
// has another way to pull.
func (n *Node) TellsPulled() bool { return !n.node.Driver.IsMobyDriver() }

// Pull has the node pull the layers of images, and returns when all are there. It leaves
// the same records as a build that needs the files of these images, and runs nothing: each
// is mounted to look at its root, since BuildKit pulls no layer before somebody wants its
// files (lazyRefProvider in its cache package). Docker's own builder is left alone: it keeps
// layers in its own store, and loses track of them easily (exports). Each layer that came is
// told, from another goroutine, before Pull returns.
func (n *Node) Pull(ctx context.Context, images []graph.Image, pulled func(Pulled)) error {
	if n.node.Driver.IsMobyDriver() {
		return ErrNoPull
	}
	c, err := n.node.Driver.Client(ctx)
	if err != nil {
		return err
	}
	ahead := n.clock.now(ctx, c)
	began := time.Now().Add(ahead)
	statuses := make(chan *client.SolveStatus) // which the client closes
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() {
		for s := range statuses {
			for _, st := range s.Statuses {
				if one, is := pulledOf(st); is && !one.At.Before(began) {
					one.At = one.At.Add(-ahead)
					pulled(one)
				}
			}
		}
	})
	_, err = c.Build(ctx, client.SolveOpt{Internal: true, Session: []session.Attachable{n.builder.credentials()}}, "stoker",
		func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			for _, image := range images {
				if err := n.pull(ctx, c, image); err != nil {
					return nil, fmt.Errorf("%s: %w", image.Ref, err)
				}
			}
			return gateway.NewResult(), nil
		}, statuses)
	return err
}

func (n *Node) pull(ctx context.Context, c gateway.Client, image graph.Image) error {
	platform := n.Platform()
	if image.Platform != "" {
		named, err := platforms.Parse(image.Platform)
		if err != nil {
			return err
		}
		platform = named
	}
	definition, err := llb.Image(image.Ref, llb.Platform(platform)).Marshal(ctx, llb.Platform(platform))
	if err != nil {
		return err
	}
	result, err := c.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB()})
	if err != nil {
		return err
	}
	ref, err := result.SingleRef()
	if err != nil {
		return err
	}
	_, err = ref.StatFile(ctx, gateway.StatRequest{Path: "/"})
	return err
}
