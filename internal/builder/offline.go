package builder

import (
	"context"
	"errors"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// Offline tells what builds would do where there is no builder to ask: the
// frontend in this process converts their Dockerfiles, and Config resolves base
// images. It may be used by several goroutines.
type Offline struct {
	Config func(ctx context.Context, ref string, platform *ocispecs.Platform) (digest.Digest, []byte, error)
}

// Graphs does what a Builder's Graphs does.
func (o Offline) Graphs(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, g graph.Graph, err error)) error {
	s := &survey{Client: offlineClient{Offline: o}, images: newImages(), around: newSurroundings(), offline: true}
	s.askAll(ctx, jobs, func(job *plan.Job, a answer, err error) { found(job, a.graph, err) })
	return nil
}

// offlineClient is as much of a builder's gateway as the frontend in this process
// needs.
type offlineClient struct {
	gateway.Client // nil: nothing else is asked
	Offline
}

var errNoBuilder = errors.New("no builder is there to ask")

// BuildOpts implements the gateway's Client.
func (offlineClient) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{
		Caps: gwpb.Caps.CapSet(gwpb.Caps.All()), LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Product: apicaps.ExportedProduct,
		Workers: []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{platforms.DefaultSpec()}}},
	}
}

// Solve implements the gateway's Client.
func (offlineClient) Solve(context.Context, gateway.SolveRequest) (*gateway.Result, error) {
	return nil, errNoBuilder
}

// ResolveSourceMetadata implements the gateway's Client.
func (offlineClient) ResolveSourceMetadata(context.Context, *pb.SourceOp, sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	return nil, errNoBuilder
}

// ResolveImageConfig implements the gateway's Client.
func (c offlineClient) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var platform *ocispecs.Platform
	if opt.ImageOpt != nil {
		platform = opt.ImageOpt.Platform
	}
	d, config, err := c.Config(ctx, ref, platform)
	return ref, d, config, err
}
