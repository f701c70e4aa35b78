package plan

import (
	"context"
	"slices"
	"strings"

	"github.com/docker/buildx/util/osutil"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Copy is a path of the build context that a Dockerfile copies, and that must be there.
type Copy struct {
	Path string // as the builder reads it, from the context's root
	Line int    // of the Dockerfile
}

// Copies returns what the job's builds surely copy of a context on this machine: nothing
// that a variable has a part in, which the base image may set, no patterns, which may
// match nothing, and nothing where a named context takes the place of a stage.
func (j *Job) Copies(ctx context.Context, own ocispecs.Platform) []Copy {
	in := j.Options.Inputs
	if covered, _ := j.Source.syntax(j.Options); !covered || !osutil.IsLocalDir(in.ContextPath) || j.replacesStage() {
		return nil
	}
	o := j.Options
	if len(o.Platforms) == 0 {
		o.Platforms = []ocispecs.Platform{own}
	}
	c, err := convert(ctx, j.Source.dockerfile, o, o.BuildArgs, &imageNotes{})
	if err != nil {
		return nil
	}
	lines := strings.Split(string(j.Source.dockerfile), "\n")
	var copies []Copy
	contexts := map[string]bool{} // the operations that are the context
	for _, raw := range c.graph.Def {
		op := &pb.Op{}
		if err := op.UnmarshalVT(raw); err != nil {
			return nil
		}
		of := digest.FromBytes(raw)
		contexts[of.String()] = op.GetSource().GetIdentifier() == "local://context"
		first, last := span(c.graph.Source.GetLocations()[of.String()])
		if first < 1 || last > len(lines) || strings.Contains(strings.Join(lines[first-1:last], "\n"), "$") {
			continue
		}
		for _, path := range copied(op, contexts) {
			copies = append(copies, Copy{path, first})
		}
	}
	return copies
}

// replacesStage tells whether a named context is taken in place of a stage of that name.
func (j *Job) replacesStage() bool {
	if len(j.Options.Inputs.NamedContexts) == 0 {
		return false
	}
	stages, _, err := parseDockerfile(j.Source.dockerfile)
	if err != nil {
		return true // it is not known what is there
	}
	named := stageNames(stages)
	for name := range j.Options.Inputs.NamedContexts {
		if slices.ContainsFunc(named, func(stage string) bool { return strings.EqualFold(stage, name) }) {
			return true
		}
	}
	return false
}

// copied are the paths that an operation copies of a context.
func copied(op *pb.Op, contexts map[string]bool) (paths []string) {
	for _, action := range op.GetFile().GetActions() {
		from := int(action.SecondaryInput)
		c := action.GetCopy()
		if c == nil || from < 0 || from >= len(op.Inputs) || !contexts[op.Inputs[from].Digest] {
			continue
		}
		if len(c.IncludePatterns) > 0 || strings.ContainsAny(c.Src, `*?[\`) {
			continue
		}
		paths = append(paths, c.Src)
	}
	return paths
}

// span is where an operation stands in the Dockerfile; 0 where that is not told.
func span(at *pb.Locations) (first, last int) {
	for _, l := range at.GetLocations() {
		for _, r := range l.Ranges {
			if line := int(r.Start.GetLine()); first == 0 || line < first {
				first = line
			}
			last = max(last, int(r.Start.GetLine()), int(r.End.GetLine()))
		}
	}
	return first, last
}
