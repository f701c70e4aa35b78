package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Reads is what a job's build reads and does, as far as its Dockerfile tells.
type Reads struct {
	// Bases are the references of all images that the build reads: of every
	// FROM, COPY --from and RUN --mount=from that the target reaches, and of
	// named contexts, with build arguments expanded. Normalized, each once.
	Bases []string
	// Steps are the descriptions of the records that the build's steps leave in
	// a builder's cache, see StepDescription.
	Steps []string
}

// ErrOpaque says that a job's Dockerfile cannot be analysed here.
var ErrOpaque = errors.New("what the build reads cannot be told beforehand")

// Reads analyses the job's Dockerfile by converting it the way that BuildKit's
// frontend does, with a resolver that only notes which images it is asked for.
// The error is an ErrOpaque when the Dockerfile is in a foreign syntax, is not
// at hand (a remote context), or does not convert without its real base images.
func (j *Job) Reads(ctx context.Context, source *Source, platform ocispecs.Platform) (Reads, error) {
	if source.dockerfile == nil {
		return Reads{}, fmt.Errorf("%w: the Dockerfile is with the remote context", ErrOpaque)
	}
	if syntax, _, _, foreign := parser.DetectSyntax(source.dockerfile); foreign || j.Options.BuildArgs["BUILDKIT_SYNTAX"] != "" {
		return Reads{}, fmt.Errorf("%w: the Dockerfile has a syntax of its own (%s)", ErrOpaque, syntax)
	}
	for _, c := range j.Options.Inputs.NamedContexts {
		if strings.HasPrefix(c.Path, "target:") || c.State != nil {
			return Reads{}, fmt.Errorf("%w: it builds on another target", ErrOpaque)
		}
	}
	notes := &imageNotes{}
	local := llb.Local("context")
	caps := pb.Caps.CapSet(pb.Caps.All()) // without merge, COPY --link would convert to a plain COPY
	result, err := dockerfile2llb.Dockerfile2LLB(ctx, source.dockerfile, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildArgs: j.Options.BuildArgs, Target: j.Options.Target},
		MainContext:    &local,
		MetaResolver:   notes,
		LLBCaps:        &caps,
		TargetPlatform: &platform,
	})
	if err != nil {
		return Reads{}, fmt.Errorf("%w: %w", ErrOpaque, err)
	}
	def, err := result.State.Marshal(ctx, llb.Platform(platform))
	if err != nil {
		return Reads{}, fmt.Errorf("%w: %w", ErrOpaque, err)
	}
	bases := notes.refs
	for _, c := range j.Options.Inputs.NamedContexts {
		if ref, image := strings.CutPrefix(c.Path, "docker-image://"); image {
			bases = append(bases, ref)
		}
	}
	return Reads{Bases: normalized(bases), Steps: steps(def)}, nil
}

// imageNotes is a resolver that notes what it is asked and says that every
// image is an empty one.
type imageNotes struct {
	mu   sync.Mutex
	refs []string
}

// ResolveImageConfig implements BuildKit's llb.ImageMetaResolver.
func (n *imageNotes) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	n.mu.Lock()
	n.refs = append(n.refs, ref)
	n.mu.Unlock()
	config := []byte(`{"config":{},"rootfs":{"type":"layers"}}`)
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		p := platforms.Normalize(*opt.ImageOpt.Platform)
		config = fmt.Appendf(nil, `{"architecture":%q,"os":%q,"config":{},"rootfs":{"type":"layers"}}`, p.Architecture, p.OS)
	}
	return ref, digest.FromString(ref), config, nil
}

func normalized(refs []string) []string {
	var out []string
	for _, ref := range refs {
		if named, err := parseRef(ref); err == nil {
			out = append(out, named.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// steps lists what a build's records will be described as. As of BuildKit
// v0.34, the result of a RUN is "mount / from exec ARGS" (cache/contenthash and
// solver/llbsolver/mounts), everything else has the name of its step.
func steps(def *llb.Definition) []string {
	var out []string
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			continue
		}
		if exec := op.GetExec(); exec != nil {
			args := strings.Join(exec.Meta.Args, " ")
			for _, m := range exec.Mounts {
				out = append(out, fmt.Sprintf("mount %s from exec %s", m.Dest, args))
			}
		}
		if name := def.Metadata[digest.FromBytes(dt)].Description["llb.customname"]; name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
