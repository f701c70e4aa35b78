package builder

import (
	"context"
	"errors"
	"maps"
	"path"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// frontend is what BuildKit's Dockerfile frontend needs of a builder, so that it
// can run in this process: it answers what needs no builder, has images resolved
// by one, and solves nothing.
type frontend struct {
	gateway.Client // of the builder
	images         *images
	question       question
	opts           map[string]string
	inputs         map[string]llb.State
}

// convert has the frontend in this process say what a build does. A syntax line
// is left out of account.
func (q question) convert(ctx context.Context, c gateway.Client, m *images) (*gateway.Result, error) {
	f := &frontend{Client: c, images: m, question: q, opts: maps.Clone(q.opts)}
	// The frontend takes it for a sign that it was itself called for by a syntax
	// line, and looks for none.
	f.opts["cmdline"] = "in-process"
	var err error
	if f.inputs, err = q.states(); err != nil {
		return nil, err
	}
	return f.build(ctx)
}

// build is what BuildKit's own Build does (frontend/dockerfile/builder, v0.34.2)
// with what can come up here. That one shares a field between goroutines without
// a lock where a Dockerfile has several base images.
func (f *frontend) build(ctx context.Context) (*gateway.Result, error) {
	ui, err := dockerui.NewClient(f)
	if err != nil {
		return nil, err
	}
	if ui.SBOM != nil {
		return dockerfile.Build(ctx, f) // with a scanner beside each platform
	}
	src, err := ui.ReadEntrypoint(ctx, "Dockerfile")
	if err != nil {
		return nil, err
	}
	res, err := ui.Build(ctx, func(ctx context.Context, platform *ocispecs.Platform, _ int) (*dockerui.BuildResult, error) {
		opt := dockerfile2llb.ConvertOpt{Config: ui.Config, Client: ui, SourceMap: src.SourceMap, MetaResolver: f}
		opt.BuildArgs, opt.TargetPlatform = maps.Clone(opt.BuildArgs), platform
		converted, err := dockerfile2llb.Dockerfile2LLB(ctx, src.Data, opt)
		if err != nil {
			return nil, err
		}
		def, err := converted.State.Marshal(ctx)
		if err != nil {
			return nil, err
		}
		solved, err := f.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()})
		if err != nil {
			return nil, err
		}
		return &dockerui.BuildResult{Reference: solved.Ref, Image: converted.Image, BaseImage: converted.BaseImage, Epoch: converted.Epoch}, nil
	})
	if err != nil {
		return nil, err
	}
	return res.Finalize()
}

// BuildOpts implements the gateway's Client.
func (f *frontend) BuildOpts() gateway.BuildOpts {
	o := f.Client.BuildOpts()
	o.Opts = maps.Clone(f.opts)
	return o
}

// Inputs implements the gateway's Client.
func (f *frontend) Inputs(context.Context) (map[string]llb.State, error) { return f.inputs, nil }

// Solve implements the gateway's Client. It only remembers what was to be solved.
func (f *frontend) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if req.Frontend != "" {
		return nil, errors.New("a frontend that calls for another")
	}
	res := gateway.NewResult()
	if req.Definition != nil && len(req.Definition.Def) > 0 {
		res.SetRef(&unsolved{frontend: f, def: req.Definition})
	}
	return res, nil
}

// ResolveImageConfig implements the gateway's Client.
func (f *frontend) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if opt.OCILayoutOpt != nil {
		return "", "", nil, errors.New("an oci-layout context is known to its own build only")
	}
	i, err := f.images.resolve(ctx, f.Client, ref, opt)
	return i.ref, i.digest, i.config, err
}

// Warn implements the gateway's Client. The build itself will warn.
func (f *frontend) Warn(context.Context, digest.Digest, string, gateway.WarnOpts) error { return nil }

// NewContainer implements the gateway's Client.
func (f *frontend) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return nil, errors.New("nothing is run to tell a build's graph")
}

// unsolved is a result that was not made. It implements the gateway's Reference.
type unsolved struct {
	frontend *frontend
	def      *pb.Definition
}

// ToState returns what was to be solved.
func (u *unsolved) ToState() (llb.State, error) {
	op, err := llb.NewDefinitionOp(u.def)
	if err != nil {
		return llb.State{}, err
	}
	return llb.NewState(op), nil
}

// Evaluate implements the gateway's Reference.
func (u *unsolved) Evaluate(context.Context) error {
	return errors.New("nothing is evaluated to tell a build's graph")
}

// ReadFile reads the Dockerfile, and has the builder read anything else, such as
// files of a remote context.
func (u *unsolved) ReadFile(ctx context.Context, req gateway.ReadRequest) ([]byte, error) {
	if q := u.frontend.question; q.dockerfile != nil {
		if path.Clean(req.Filename) == path.Clean(q.filename) {
			return q.dockerfile, nil
		}
		return nil, errors.New("no such file")
	}
	ref, err := u.solve(ctx)
	if err != nil {
		return nil, err
	}
	return ref.ReadFile(ctx, req)
}

// StatFile implements the gateway's Reference.
func (u *unsolved) StatFile(ctx context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	if q := u.frontend.question; q.dockerfile != nil {
		if path.Clean(req.Path) == path.Clean(q.filename) {
			return &fstypes.Stat{Path: req.Path, Size: int64(len(q.dockerfile))}, nil
		}
		return nil, errors.New("no such file")
	}
	ref, err := u.solve(ctx)
	if err != nil {
		return nil, err
	}
	return ref.StatFile(ctx, req)
}

// ReadDir implements the gateway's Reference.
func (u *unsolved) ReadDir(ctx context.Context, req gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	ref, err := u.solve(ctx)
	if err != nil {
		return nil, err
	}
	return ref.ReadDir(ctx, req)
}

func (u *unsolved) solve(ctx context.Context) (gateway.Reference, error) {
	res, err := u.frontend.Client.Solve(ctx, gateway.SolveRequest{Definition: u.def})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}
