package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
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
func (j *Job) Reads(ctx context.Context, platform ocispecs.Platform) (Reads, error) {
	source := j.Source
	if source.dockerfile == nil {
		return Reads{}, fmt.Errorf("%w: the Dockerfile is with the remote context", ErrOpaque)
	}
	if syntax, _, _, foreign := parser.DetectSyntax(source.dockerfile); foreign || j.Options.BuildArgs["BUILDKIT_SYNTAX"] != "" {
		return Reads{}, fmt.Errorf("%w: the Dockerfile has a syntax of its own (%s)", ErrOpaque, syntax)
	}
	for _, c := range j.Options.Inputs.NamedContexts {
		if strings.HasPrefix(c.Path, targetContext) || c.State != nil {
			return Reads{}, fmt.Errorf("%w: it builds on another target", ErrOpaque)
		}
	}
	notes := &imageNotes{}
	o := j.Options
	o.Platforms = []ocispecs.Platform{platform}
	result, err := convert(ctx, source.dockerfile, o, o.BuildArgs, notes)
	if err != nil {
		return Reads{}, fmt.Errorf("%w: %w", ErrOpaque, err)
	}
	bases := notes.refs
	for _, c := range j.Options.Inputs.NamedContexts {
		if ref, image := strings.CutPrefix(c.Path, imageContext); image {
			bases = append(bases, ref)
		}
	}
	return Reads{Bases: normalized(bases), Steps: steps(result.graph)}, nil
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
